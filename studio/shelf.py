"""What is installed: the embedded model, a folder of models, and the hub's cache.

In the folder also lies what goes on top of a model: LoRAs and textual inversions.

Nothing is loaded, and no connection tried: a folder is known by its `model_index.json`, a file by
its header. What lies there and is no Stable Diffusion is listed with the sentence that says why, so
that nobody looks for it in vain; in the hub's cache, which other programs fill, it is left out.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import CacheNotFound, scan_cache_dir

from components.picker import AddOn, Shelved
from pipelines.core import checkpoint
from studio import addons
from studio.models import few_step, read_json

log = logging.getLogger(__name__)

FILES: Final = (".safetensors", ".ckpt")  # the latter to say why not
INDEX: Final = "model_index.json"
ADDED: Final = "Put it into the models folder; then it is offered on top of a model that it fits."
NETWORKS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where models lie. `cache` is the hub's, its own choice of a folder where it is None."""

    embedded: Path
    folder: Path  # of diffusers folders and `.safetensors` files, also one level down
    cache: Path | None = None

    def models(self) -> Sequence[Shelved]:
        """All of them, what can be used first; reads headers, so not for the event loop."""
        whole = [path for path in candidates(self.folder) if addons.header(path) is None]
        places = [
            (self.embedded, "comes with the studio"),
            *((path, "in the models folder") for path in whole),
            *((path, "in the hub's cache") for path in snapshots(self.cache)),
        ]
        found = {os.path.realpath(path): (path, place) for path, place in reversed(places)}
        listed = [look(path, place) for path, place in reversed(list(found.values()))]
        return sorted(listed, key=lambda each: each.refusal != "")

    def add_ons(self, model: Path) -> Sequence[AddOn]:
        """What lies in the folder to go on top of models; refused is what does not fit this one."""
        model_widths = addons.widths(model)
        headers = map(addons.header, candidates(self.folder))
        return [addons.look(header, model_widths) for header in headers if header is not None]

    def find(self, name: str) -> Path | None:
        """Where the model of this hub id lies already, if it does."""
        own = self.folder / name
        held = [*([own] if (own / INDEX).is_file() else []), *snapshots(self.cache)]
        named = (path for path in held if path == own or checkpoint.title(path) == name)
        return next((path for path in named if not look(path, "").refusal), None)


def candidates(folder: Path, levels: int = 2) -> Iterator[Path]:
    """What may be models in a folder, and `levels - 1` below it."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if path.name.startswith("."):
            continue
        if (path / INDEX).is_file() or (path.is_file() and path.suffix.lower() in FILES):
            yield path
        elif levels > 1 and path.is_dir():
            yield from candidates(path, levels - 1)


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
        if each.repo_type == "model" and states and (states[-1].snapshot_path / INDEX).is_file():
            yield states[-1].snapshot_path
        else:
            log.debug("%s in the hub's cache is no diffusers model", each.repo_id)


def look(path: Path, place: str) -> Shelved:
    """What a file or folder is, by its headers."""
    told = read_json(path / "studio.json") if path.is_dir() else {}
    title = told.get("title")
    name = title if isinstance(title, str) else checkpoint.title(path)
    family, refusal = "", ""
    try:
        family = family_of(path, told)
    except ValueError as error:
        refusal = str(error)
    except OSError as error:
        refusal = f"{name} cannot be read ({error.strerror})."
    return Shelved(name, family, size_of(path), place, str(path), refusal)


def family_of(path: Path, told: Mapping[str, Any]) -> str:
    """What kind of model it is, for a person; ValueError with a sentence where it is none of ours.

    `told` is its `studio.json`, which may name a family of its own.
    """
    if path.is_file():
        header = checkpoint.read(path)
        if header.kind in addons.KINDS:
            raise ValueError(f"{path.name} is {header.called}. {ADDED}")
        family, inpaints = checkpoint.FAMILIES[header.family()], header.in_channels == 9
    else:
        index = checkpoint.check_folder(path)
        check_whole(path, index)
        unet = read_json(path / "unet" / "config.json")
        width = unet.get("cross_attention_dim")
        key = checkpoint.CONTEXTS.get(width, "") if isinstance(width, int) else ""
        own = told.get("family")
        family = own if isinstance(own, str) else checkpoint.FAMILIES.get(key, "Stable Diffusion")
        inpaints = unet.get("in_channels") == 9
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
    """Bytes on the disk; what is linked from several places counts once."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    sizes = {os.path.realpath(file): file.stat().st_size for file in files}
    return sum(sizes.values())
