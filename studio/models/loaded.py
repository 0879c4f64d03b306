"""The model: what its folder says about it, and the networks, loaded once.

What belongs to a model lies in its folder by convention, for any model: `studio.json` holds good
defaults, swatches and a small vocabulary, `examples/<tab>.json` something to begin with. None of it
is required.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.utils.logging import disable_progress_bar

from components.contract.facts import ModelFacts
from components.contract.sketch import LAYERS, Swatch
from pipelines.core import preview
from pipelines.networks import adapters, checkpoint, distilled, single_file
from pipelines.networks.bundle import Bundle
from studio.models.chosen import NOTHING, Chosen, OnTop
from studio.models.memory import give_back, out_of_memory

log = logging.getLogger(__name__)

Load = Callable[..., Bundle]
Facts = Mapping[str, Any]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_COLOUR = re.compile("#[0-9a-fA-F]{6}")
DEFAULT_SIZE = 512  # of a model whose folder does not say


def warm_up(bundle: Bundle) -> None:
    """Fit the previews; a denoiser to be compiled begins with the call that most edits make."""
    preview.pictures(bundle, torch.zeros(1, bundle.channels, 4, 4))
    if bundle.compiled is None:
        return  # a call of a large denoiser takes long on a CPU, and would warm nothing
    side = bundle.size // bundle.cell
    words = bundle.embed("", (bundle.size, bundle.size))
    x = torch.zeros(2, bundle.channels, side, side, device=bundle.device)
    with torch.no_grad():
        bundle.predict(x, torch.tensor(0, device=bundle.device), words.over(words))


class Models:
    """Loads the model that the settings name, and others that are chosen; one at a time."""

    def __init__(
        self,
        source: str,
        device: str = "auto",
        dtype: str = "auto",
        load: Load = Bundle.load,
        warm: Callable[[Bundle], object] = warm_up,
        on_top: OnTop = NOTHING,
        compiles: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.source = source
        self.on_top = on_top
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self._load = load
        self._warm = warm
        self._compiles = compiles
        self._folder = folder  # the models folder, for what belongs to several of them
        self._loading = threading.Lock()
        self.working = threading.Lock()  # held by whoever works with the networks
        self._bundle: Bundle | None = None

    def bundle(self) -> Bundle:
        """The networks. The first call loads them; ValueError with a sentence where it cannot.

        Does not wait for another model that is being chosen: the former one serves meanwhile.
        """
        if self._bundle is None:
            with self._loading:
                if self._bundle is None:
                    self._bundle = self._read(self.source, self.on_top)
        return self._bundle

    def choose(self, source: str, on_top: OnTop = NOTHING) -> None:
        """Serve another model from now on: a folder, a hub id or a `.safetensors` file.

        With exactly what is to be on top of it, so the one that serves may be chosen again. It is
        loaded and its previews are fitted, so that no run has to. A run that has begun keeps the
        model it began with. ValueError with a sentence where the new one cannot be loaded; the
        former one serves on.
        """
        with self._loading:
            if self._bundle is not None and (source, on_top) == self.choice:
                return
            try:
                self._serve(source, on_top)
                former = None
            except Exception as error:
                former = self._bundle
                if former is None or self.device == "cpu" or not out_of_memory(error):
                    raise
            if former is not None:  # only here is free what the exception held
                self._replace(former, source, on_top)
        give_back()

    def _serve(self, source: str, on_top: OnTop) -> None:
        bundle = self._read(source, on_top)
        self._warm(bundle)
        self.source, self.on_top, self._bundle = source, on_top, bundle

    def _replace(self, former: Bundle, source: str, on_top: OnTop) -> None:
        """Where there is no room for two on the device, the former one makes room first."""
        with self.working:
            former.to("cpu")
            give_back()
            try:
                return self._serve(source, on_top)
            except Exception as error:
                failure = error.with_traceback(None)  # it would hold what was half loaded
            give_back()
            former.to(self.device)
            raise failure

    def _read(self, source: str, on_top: OnTop) -> Bundle:
        disable_progress_bar()  # loading takes a second or two, and the page says so
        bundle = self._load(
            source,
            device=self.device,
            dtype=self.dtype,
            loras=dict(on_top.loras),
            embeddings=on_top.embeddings,
        )
        tiny = self._folder and self._folder / bundle.tiny_autoencoder
        if tiny and tiny.is_dir() and bundle.posterior and bundle.sketcher_folder is None:
            bundle.sketcher_folder = tiny
        return bundle.compile() if self._compiles else bundle

    @property
    def choice(self) -> Chosen:
        """What serves, as `choose` takes it."""
        return self.source, self.on_top

    @property
    def loaded(self) -> Bundle | None:
        """The networks if they are there already, without waiting for them."""
        return self._bundle

    def facts(self) -> ModelFacts:
        """What the page says about the model; read from its folder, so nothing need be loaded."""
        folder = Path(self.source).expanduser()
        told = read_json(folder / "studio.json")
        name = told.get("title")
        vocabulary = {
            group: [str(word) for word in _sequence(words)]
            for group, words in _mapping(told.get("vocabulary")).items()
        }
        taught = [adapters.called(path) for path in self.on_top.embeddings]
        weights = [f"{adapters.called(path)} × {weight:g}" for path, weight in self.on_top.loras]
        own = {**few_step(folder), **_mapping(told.get("defaults"))}
        few = few_step(folder, self.on_top)
        return ModelFacts(
            name=name if isinstance(name, str) else checkpoint.title(folder) or self.source,
            device=self.device,
            size=_size(folder, told),
            defaults=own if few == few_step(folder) else {**own, **few},
            on_top=[*weights, *taught],
            vocabulary={**vocabulary, **({"Taught": taught} if taught else {})},
            swatches=list(_swatches(told)),
            examples=_examples(folder),
            live=(folder / "fast").is_dir() or bool(few),
        )


def pick_device(wanted: str) -> str:
    """The device to use. ValueError where the wanted one is not there."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"{wanted!r} is no device; use cpu, cuda, cuda:1 or mps.") from None
    missing = (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise ValueError(f"This machine has no {wanted}; start with --device cpu, or leave it out.")
    return wanted


def pick_dtype(wanted: str, device: str) -> torch.dtype:
    """The number format to use: half precision where the device is good at it."""
    if wanted != "auto":
        return DTYPES[wanted]
    if device.startswith("cuda"):
        with torch.cuda.device(device):  # any of them can emulate it, slowly
            able = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if able else torch.float16
    if device == "cpu" and _cpu_likes_bfloat16():
        return torch.bfloat16
    return torch.float16 if device == "mps" else torch.float32


def _cpu_likes_bfloat16() -> bool:
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _size(folder: Path, told: Facts) -> int:
    """The side of the pictures that the model draws best, in pixels."""
    size = told.get("size")
    if isinstance(size, int):
        return size
    if folder.is_file():
        return single_file.size(folder) or DEFAULT_SIZE
    sample = read_json(folder / "unet" / "config.json").get("sample_size")
    vae = read_json(folder / "vae" / "config.json")
    levels = _sequence(vae.get("block_out_channels") or vae.get("encoder_block_out_channels"))
    return sample * 2 ** (len(levels) - 1) if isinstance(sample, int) and levels else DEFAULT_SIZE


def few_step(folder: Path, on_top: OnTop = NOTHING) -> Facts:
    """What draws best with a few-step model, by its configuration, its name or LoRAs on top."""
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    unet = read_json(folder / "unet" / "config.json")
    loras = {adapters.called(path): weight for path, weight in on_top.loras}
    return distilled.defaults(checkpoint.title(folder), scheduler, unet, loras)


def read_json(path: Path) -> Facts:
    """A JSON object from a model's folder; what cannot be read is empty."""
    return _mapping(_read(path))


def _read(path: Path) -> object:
    """JSON from a model's folder; None, with a line in the log, where it cannot be read."""
    if not os.path.isfile(path):
        return None
    try:
        return checkpoint.read_json(path)
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read (%s); going on without it", path, error)
        return None


def _examples(folder: Path) -> Mapping[str, Sequence[Facts]]:
    """The examples of each tab, from `examples/<tab>.json`."""
    lists = sorted((folder / "examples").glob("*.json"))
    return {file.stem: _listed(folder, _read(file)) for file in lists if _is_own(file, folder)}


def _listed(folder: Path, examples: object) -> Sequence[Facts]:
    """The examples with a name whose pictures are all there, with their paths made absolute.

    They lie in the folder: a model may come from anywhere, and must not show what else is here.
    """
    found: list[Facts] = []
    for each in map(_mapping, _sequence(examples)):
        if not isinstance(each.get("name"), str):
            continue
        named = [name for name in ("image", *LAYERS) if name in each]
        files = {k: folder / "examples" / each[k] for k in named if _is_below(each[k])}
        whole = len(files) == len(named) and all(_is_own(file, folder) for file in files.values())
        if "image" in files and whole:
            found.append({**each, **{k: str(path.resolve()) for k, path in files.items()}})
    return found


def _is_below(name: object) -> bool:
    """Whether a name leads nowhere but down."""
    return isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts


def _is_own(file: Path, folder: Path) -> bool:
    """Whether a file lies in a model's folder, wherever its links lead.

    A snapshot in the hub's cache is made of links to the `blobs` beside it.
    """
    try:
        homes = [folder.resolve()]
        if folder.parent.name == "snapshots":
            homes.append(folder.parent.parent.resolve() / "blobs")
        real = file.resolve()
        return os.path.isfile(real) and any(real.is_relative_to(home) for home in homes)
    except (OSError, RuntimeError, ValueError):  # it is shut, links to itself, or holds a NUL
        return False


def _swatches(told: Facts) -> Sequence[Swatch]:
    """Colours as (name, "#rrggbb"); one that has no name is called by its number."""
    found: list[Swatch] = []
    for each in _sequence(told.get("swatches")):
        name, colour = each if isinstance(each, list) and len(each) == 2 else (each, each)
        if isinstance(colour, str) and _COLOUR.fullmatch(colour):
            found.append((str(name), colour))
    return found


def _mapping(value: object) -> Facts:
    return cast("Facts", value) if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
