"""What is installed: the embedded model, a folder of models, and the hub's cache.

In the folder also lies what goes on top of a model: LoRAs and textual inversions.

Nothing is loaded, and no connection tried: a folder is known by its `model_index.json`, a file by
its header, which is read once for as long as the file stays as it is. What lies there and is no
Stable Diffusion is listed with the sentence that says why, so that nobody looks for it in vain; in
the hub's cache, which other programs fill, it is left out.
"""

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from huggingface_hub import CacheNotFound, scan_cache_dir

from components.contract.installed import AddOn, InstalledModel
from pipelines.networks import autoencoder, checkpoint, header
from pipelines.networks.checkpoint import Checkpoint
from studio.models import addons
from studio.models.addons import Widths
from studio.models.loaded import few_step, read_json

log = logging.getLogger(__name__)

FILES: Final = (".safetensors", ".ckpt")  # the latter to say why not
INDEX: Final = "model_index.json"
ADDED: Final = "Put it into the models folder; then it is offered on top of a model that it fits."
PLACES: Final = ("comes with the studio", "in the models folder", "in the hub's cache")
NETWORKS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")


@dataclass(frozen=True, slots=True)
class Installed:
    """Where models lie. `cache` is the hub's, its own choice of a folder where it is None."""

    embedded: Path
    folder: Path  # of diffusers folders and `.safetensors` files, also one level down
    cache: Path | None = None

    def read(self, model: Path, first: Collection[str] = ()) -> Iterator[InstalledModel | AddOn]:
        """All that lies there, as it is read; add-ons by whether they fit this model.

        These paths come first, and what takes longest last. Not for the event loop.
        """
        fitting = addons.widths(model)
        held: set[str] = set()
        for path, place in self._places(first):
            real = os.path.realpath(path)
            if real not in held:
                held.add(real)
                yield row(path, place, fitting)

    def models(self) -> Sequence[InstalledModel]:
        """The models among them, what can be used first."""
        return ordered(
            each for each in self.read(self.embedded) if isinstance(each, InstalledModel)
        )

    def add_ons(self, model: Path, only: Collection[str] | None = None) -> Sequence[AddOn]:
        """What lies in the folder to go on top of models; refused is what does not fit this one.

        With `only`, of these paths.
        """
        fitting = addons.widths(model)
        paths = (each for each in candidates(self.folder) if only is None or str(each) in only)
        rows = (row(each, "", fitting) for each in paths)
        return [each for each in rows if isinstance(each, AddOn)]

    def _places(self, first: Collection[str]) -> Iterator[tuple[Path, str]]:
        """Where something may lie, and how that is called; long headers last."""
        yield self.embedded, PLACES[0]
        found = (
            path for path in candidates(self.folder) if path.parent.name not in autoencoder.TINY
        )
        for path in sorted(found, key=lambda path: (str(path) not in first, header_length(path))):
            yield path, PLACES[1]
        for path in snapshots(self.cache):
            yield path, PLACES[2]

    def find(self, name: str) -> Path | None:
        """Where the model of this hub id lies already, if it does."""
        own = self.folder / name
        held = [*([own] if os.path.isfile(own / INDEX) else []), *snapshots(self.cache)]
        named = (path for path in held if path == own or checkpoint.title(path) == name)
        return next((path for path in named if not look(path, "").refusal), None)


def ordered(models: Iterable[InstalledModel]) -> Sequence[InstalledModel]:
    """What can be used first, then by place and path."""
    return sorted(
        models, key=lambda each: (each.refusal != "", PLACES.index(each.place), each.source)
    )


# Of what may not be looked into, Python 3.11's `Path.is_file` raises; `os.path.isfile` says no.
def candidates(folder: Path, levels: int = 2) -> Iterator[Path]:
    """What may be models in a folder, and `levels - 1` below it."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if path.name.startswith("."):
            continue
        single = path.suffix.lower() in FILES and os.path.isfile(path)
        if single or os.path.isfile(path / INDEX):
            yield path
        elif levels > 1 and os.path.isdir(path) and not _leads_back(path):
            yield from candidates(path, levels - 1)


def _leads_back(path: Path) -> bool:
    """Whether a link leads to a folder that it lies in."""
    return Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(path))


def snapshots(cache: Path | None) -> Iterator[Path]:
    """The newest state of each diffusers model in the hub's cache."""
    try:
        repositories = scan_cache_dir(cache).repos
    except (CacheNotFound, OSError, ValueError):
        return
    for each in sorted(repositories, key=lambda each: each.repo_id):
        states = sorted(
            each.revisions, key=lambda state: ("main" in state.refs, state.last_modified)
        )
        newest = states[-1].snapshot_path if states else None
        if each.repo_type == "model" and newest and os.path.isfile(newest / INDEX):
            yield newest
        else:
            log.debug("%s in the hub's cache is no diffusers model", each.repo_id)


def header_length(path: Path) -> int:
    """Bytes of a file's header, as far as such are read; 0 for a folder."""
    with suppress(OSError):
        if os.path.isfile(path):
            with path.open("rb") as file:
                return min(int.from_bytes(file.read(8), "little"), header.MAX_HEADER)
    return 0


def row(path: Path, place: str, fitting: Widths) -> InstalledModel | AddOn:
    """What a file or folder is, by its headers."""
    called = str(path).encode(errors="replace").decode()
    if called != str(path):  # it could not be sent to a page
        name = Path(called).name
        return InstalledModel(
            name, "", 0, place, called, f"The name of {name} is no text; rename it."
        )
    state = _state(path)
    return _model(path, place, state) or _add_on(path, fitting, state)


def look(path: Path, place: str) -> InstalledModel:
    """The same, as a model: what goes on top of one is refused."""
    found = _model(path, place, _state(path))
    if found is not None:
        return found
    held = _header(path, _state(path))
    size = path.stat().st_size
    return InstalledModel(
        held.path.stem, "", size, place, str(path), f"{path.name} is {held.called}. {ADDED}"
    )


State = tuple[tuple[str, int, int, int], ...]  # real path, size and times of every file


def _state(path: Path) -> State:
    """Of a file, or of all in a folder, as far as they can be seen: what changes when they do."""
    found: set[tuple[str, int, int, int]] = set()
    for file in [path] if os.path.isfile(path) else path.rglob("*"):
        with suppress(OSError):  # it may be shut, or gone since
            if os.path.isfile(file):
                told = os.stat(file)
                real = os.path.realpath(file)
                found.add((real, told.st_size, told.st_mtime_ns, told.st_ctime_ns))
    return tuple(sorted(found))


@lru_cache(maxsize=1)
def _header(path: Path, state: State) -> Checkpoint:
    """Kept until the next one is read: of a long one, all names together take megabytes."""
    return checkpoint.read(path)


@lru_cache(maxsize=4096)
def _add_on(path: Path, fitting: Widths, state: State) -> AddOn:
    return addons.look(_header(path, state), fitting)


@lru_cache(maxsize=4096)
def _model(path: Path, place: str, state: State) -> InstalledModel | None:
    """None of a file that goes on top of a model."""
    told = read_json(path / "studio.json") if path.is_dir() else {}
    title = told.get("title")
    name = title if isinstance(title, str) else checkpoint.title(path)
    family, refusal = "", ""
    try:
        if path.is_dir():
            family = family_of_folder(path, told)
        else:
            found = _header(path, state)
            if found.kind in addons.KINDS and path.suffix.lower() == ".safetensors":
                return None
            family = family_of(found)
    except ValueError as error:
        refusal = str(error)
    except OSError as error:
        refusal = f"{name} cannot be read ({error.strerror})."
    return InstalledModel(
        name, family, sum(size for _, size, *_ in state), place, str(path), refusal
    )


def family_of(found: Checkpoint) -> str:
    """What kind of model a file is, for a person; ValueError with a sentence if none of ours."""
    family = checkpoint.FAMILIES[found.family()]
    return _marked(found.path, family, found.in_channels == 9)


def family_of_folder(path: Path, told: Mapping[str, Any]) -> str:
    """The same of a folder; `told` is its `studio.json`, which may name a family of its own."""
    index = checkpoint.check_folder(path)
    check_whole(path, index)
    unet = read_json(path / "unet" / "config.json")
    width = unet.get("cross_attention_dim")
    key = checkpoint.CONTEXTS.get(width, "") if isinstance(width, int) else ""
    own = told.get("family")
    family = own if isinstance(own, str) else checkpoint.FAMILIES.get(key, "Stable Diffusion")
    return _marked(path, family, unet.get("in_channels") == 9)


def _marked(path: Path, family: str, inpaints: bool) -> str:
    marks = ["inpainting"] * inpaints + ["few steps"] * bool(few_step(path))
    return ", ".join([family, *marks])


def check_whole(folder: Path, index: Mapping[str, Any]) -> None:
    """ValueError with a sentence where a part that the index names is not all there."""
    name = checkpoint.title(folder)
    for part, home in index.items():
        if not isinstance(home, list) or home[:1] == [None] or part in checkpoint.UNUSED:
            continue
        whole = any(path.is_file() for path in (folder / part).glob("*.json"))
        if part in NETWORKS:
            weights = {
                path.name for path in (folder / part).glob("*.safetensors") if path.is_file()
            }
            if not weights and any((folder / part).glob("*.bin")):
                raise ValueError(f"The {part} of {name} can run code; only .safetensors is read.")
            whole &= _is_whole(folder / part, weights, checkpoint.variant(folder))
        if not whole:
            raise ValueError(f"The {part} of {name} is not all there; fetch the model again.")


def _is_whole(part: Path, weights: set[str], variant: str | None) -> bool:
    """Whether the weights that loading takes are there: all that their index names, if one does.

    Those of the other precision may lie there in part.
    """
    half = variant == "fp16" and any("fp16" in name for name in weights)
    held = {name for name in weights if ("fp16" in name) == half}
    indices = part.glob("*.safetensors.index*.json")
    maps = [read_json(path).get("weight_map") for path in indices if ("fp16" in path.name) == half]
    named = {str(shard) for each in maps if isinstance(each, dict) for shard in each.values()}
    return bool(held) and named <= held


def size_of(path: Path) -> int:
    """Bytes on the disk, as far as they can be seen; what is linked from several places once."""
    return sum(size for _, size, *_ in _state(path))
