"""The model: what its folder says about it, and the networks, loaded once.

What belongs to a model lies in its folder by convention, for any model: `studio.json` holds good
defaults, swatches and a small vocabulary, `examples/<tab>.json` something to begin with. None of it
is required.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.utils.logging import disable_progress_bar

from components.actions import ModelFacts
from components.canvas import LAYERS, Swatch
from pipelines.core import adapters, checkpoint, distilled, preview, single_file
from pipelines.core.bundle import Bundle
from studio.chosen import NOTHING, OnTop

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
    x = torch.zeros(2, bundle.unet.config.in_channels, side, side, device=bundle.device)
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
    ) -> None:
        self.source = source
        self.on_top = on_top
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self._load = load
        self._warm = warm
        self._compiles = compiles
        self._loading = threading.Lock()
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
            if self._bundle is not None and (source, on_top) == (self.source, self.on_top):
                return
            bundle = self._read(source, on_top)
            self._warm(bundle)
            self.source, self.on_top, self._bundle = source, on_top, bundle

    def _read(self, source: str, on_top: OnTop) -> Bundle:
        disable_progress_bar()  # loading takes a second or two, and the page says so
        bundle = self._load(
            source,
            device=self.device,
            dtype=self.dtype,
            loras=dict(on_top.loras),
            embeddings=on_top.embeddings,
        )
        return bundle.compile() if self._compiles else bundle

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
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
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
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read (%s); going on without it", path, error)
        return None


def _examples(folder: Path) -> Mapping[str, Sequence[Facts]]:
    """The examples of each tab, from `examples/<tab>.json`."""
    lists = (folder / "examples").glob("*.json")
    return {file.stem: _listed(file.parent, _read(file)) for file in sorted(lists)}


def _listed(folder: Path, examples: object) -> Sequence[Facts]:
    """The examples whose pictures are all there, with their paths made absolute.

    They lie in the folder: a model may come from anywhere, and must not show what else is here.
    """
    found: list[Facts] = []
    for each in map(_mapping, _sequence(examples)):
        named = [name for name in ("image", *LAYERS) if name in each]
        files = {k: folder / each[k] for k in named if _is_below(each[k])}
        if "image" in files and len(files) == len(named) and all(map(Path.is_file, files.values())):
            found.append({**each, **{k: str(path.resolve()) for k, path in files.items()}})
    return found


def _is_below(name: object) -> bool:
    """Whether a name leads nowhere but down. (The hub's cache has links; those are its own.)"""
    return isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts


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
