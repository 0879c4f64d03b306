"""What a result says about how it was made: our JSON, and the text other programs read.

Both go into the PNG, and nothing else does. The text is the one that Automatic1111's web interface
writes under `parameters`: words, a line of words to avoid, a line of settings.

Versions of our JSON differ in what a strength means. 1: a strength of N steps ran the whole part of
N times it, but at least one. 2: it is a level of noise (pipelines/core/grid.py); where that product
is whole, the same. All are read alike.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from io import BytesIO
from typing import Any, cast

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.edit import Edit, Report
from pipelines.request import SCHEDULERS, Request

STRIP = 512  # rows of pixels
VERSION = 2
CHUNK = "pentimento"  # the name of our JSON in the PNG
FIGURES = {  # of each picture → their list in the notes
    "strength": "strengths",
    "steps": "steps",
    "distance_to_guide": "distance_to_guide",
    "agreement": "agreement",
    "changed_inside": "changed_inside",
    "changed_outside": "changed_outside",
}
PRIVATE = ("visitor",)  # kept on the disk, never in a file that may be passed on


def of(method: str, model: str, request: Request) -> dict[str, Any]:
    """The request as JSON; a picture in it becomes its size and a hash of its pixels."""
    asked = {each.name: _plain(getattr(request, each.name)) for each in fields(request)}
    return {"version": VERSION, "method": method, "model": model, "request": asked}


def notes(edit: Edit[Report]) -> dict[str, Any]:
    """The figures of an edit as JSON: its report, and a list of each figure of its pictures."""
    told = {each.name: _plain(getattr(edit.report, each.name)) for each in fields(edit.report)}
    for name, key in FIGURES.items():
        values = [getattr(each, name) for each in edit.results]
        if any(value is not None for value in values):
            told[key] = _plain(values)
    if changes := [each.change for each in edit.results if each.change is not None]:
        told["edits"] = _plain(changes)
    return {key: value for key, value in told.items() if value not in (None, "")}


def _plain(value: object) -> Any:
    if isinstance(value, Image.Image):
        return {"size": list(value.size), "sha256": _digest(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[Any]", value)]
    return value


def _digest(image: Image.Image) -> str:
    """SHA-256 of the pixels, taken in strips: a picture may be large."""
    found = hashlib.sha256()
    for top in range(0, image.height, STRIP):
        box = (0, top, image.width, min(top + STRIP, image.height))
        found.update(image.crop(box).tobytes())
    return found.hexdigest()


def png(image: Image.Image, recipe: Mapping[str, Any] | None = None, index: int = 0) -> bytes:
    """The picture as PNG, with its recipe; `index` says which of the recipe's pictures it is."""
    if image.info:  # which Pillow would write as well
        image = image.copy()
        image.info.clear()
    info = PngInfo()
    if recipe is not None:
        public = {key: value for key, value in recipe.items() if key not in PRIVATE}
        info.add_itxt(CHUNK, json.dumps({**public, "index": index}, ensure_ascii=False))
        info.add_text("parameters", parameters(recipe, index, image.size))
    file = BytesIO()
    image.save(file, "PNG", pnginfo=info, compress_level=4)
    return file.getvalue()


def jpeg(image: Image.Image, quality: int = 80) -> bytes:
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()


def parameters(recipe: Mapping[str, Any], index: int, size: tuple[int, int]) -> str:
    """The recipe of one picture in Automatic1111's words."""
    asked: Mapping[str, Any] = recipe["request"]
    notes: Mapping[str, Any] = recipe.get("notes", {})
    seeds: Sequence[int] = recipe.get("seeds") or [asked["seed"]]
    strengths: Sequence[float] = notes.get("strengths") or [asked.get("strength", 1.0)]
    ran = str(notes.get("scheduler", asked["scheduler"]))
    settings = {
        "Steps": asked["num_inference_steps"],
        "Sampler": SCHEDULERS.get(ran, ran),
        "CFG scale": f"{asked['guidance_scale']:g}",
        "Seed": seeds[index % len(seeds)],
        "Size": f"{size[0]}x{size[1]}",
        "Model": recipe["model"],
        "Denoising strength": f"{strengths[index % len(strengths)]:g}",
    }
    edits = asked.get("edits") or ()  # of a comparison, whose first picture is the source
    if loras := recipe.get("loras"):
        settings["LoRAs"] = _quoted(f"{name}: {weight:g}" for name, weight in loras.items())
    if words := recipe.get("embeddings"):
        settings["Embeddings"] = _quoted(words)
    lines = [edits[index - 1]["prompt"] if 0 < index <= len(edits) else asked["prompt"]]
    if asked["negative_prompt"]:
        lines.append(f"Negative prompt: {asked['negative_prompt']}")
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    return "\n".join(lines)


def _quoted(names: Iterable[str]) -> str:
    """As one setting among others, which commas part."""
    return json.dumps(", ".join(names), ensure_ascii=False)
