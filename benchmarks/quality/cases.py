"""Cases with their truth, drawn from held-out specifications. Same number, same cases."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import cv2
import numpy as np
from PIL import Image

from benchmarks.quality.metrics import rim
from pipelines.sdedit import strokes
from training.album import scene_of
from training.captions import caption, named
from training.scene import FLYING, Scene, attributes, variants
from training.world import render

SHAPES = ("exact", "loose")  # of a mask
COMPARED = ("colour", "kind", "time", "ground", "mountains", "weather")
ROOM = 12  # pixels that a loose mask is wider on each side
THIN = 20  # pixels across a thin mask, two and a half latent cells
SLENDER = ("lighthouse", "tower")  # things that a thin mask shows well enough to be known

Exhibits = dict[str, Image.Image]  # what is shown of a case beside the results


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """Strokes, and the words for what they mean."""

    seed: int
    scene: Scene
    truth: Image.Image
    strokes: Image.Image  # by the paper's simulator
    things: np.ndarray  # [256, 256] bool: where things stand

    @property
    def prompt(self) -> str:
        return caption(self.scene)

    @property
    def wanted(self) -> dict[str, str]:
        return wanted(self.scene)

    @property
    def exhibits(self) -> Exhibits:
        return {"strokes": self.strokes, "truth": self.truth}


@dataclass(frozen=True, slots=True, eq=False)
class Replacement:
    """A picture, a mask, and words for a thing that comes there."""

    seed: int
    source: Scene
    target: Scene
    image: Image.Image
    truth: Image.Image  # the target, drawn by the renderer
    shape: str  # one of SHAPES, or "thin"
    mask: np.ndarray  # [256, 256] bool
    background: np.ndarray  # [256, 256] bool: neither thing nor trace, before and after

    @property
    def prompt(self) -> str:
        return caption(self.target)

    @property
    def under_mask(self) -> Image.Image:
        """The truth under the mask: the most that an edit can reach."""
        return Image.composite(self.truth, self.image, self.mask_image)

    @property
    def mask_image(self) -> Image.Image:
        return Image.fromarray(self.mask.astype(np.uint8) * 255)

    @property
    def guide(self) -> Image.Image:
        """The picture with the target painted into the mask, in strokes."""
        return Image.composite(strokes(self.truth), self.image, self.mask_image)

    @property
    def wanted(self) -> dict[str, str]:
        return {name: attributes(self.target)[name] for name in ("kind", "colour")}

    @property
    def exhibits(self) -> Exhibits:
        marked = np.array(self.image)
        edge = rim(self.mask, 1)
        marked[edge & self.mask], marked[edge & ~self.mask] = 255, 0
        return {f"picture, {self.shape} mask": Image.fromarray(marked), "truth": self.truth}


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two captions that differ in one attribute."""

    seed: int
    attribute: str  # one of COMPARED
    source: Scene
    target: Scene

    @property
    def prompts(self) -> tuple[str, str]:
        return caption(self.source), caption(self.target)

    @property
    def image(self) -> Image.Image:
        """The source, drawn by the renderer: for methods that edit a given picture."""
        return Image.fromarray(render(self.source).image)

    @property
    def prompt(self) -> str:
        return " > ".join(self.prompts)

    @property
    def exhibits(self) -> Exhibits:
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """A picture to be given back as it was."""

    seed: int
    scene: Scene
    image: Image.Image

    @property
    def prompt(self) -> str:
        return caption(self.scene)

    @property
    def exhibits(self) -> Exhibits:
        return {"picture": self.image}


def wanted(scene: Scene) -> dict[str, str]:
    """The attributes that the caption of a scene names."""
    return {name: attributes(scene)[name] for name in named(scene)}


def paintings(number: int) -> list[Painting]:
    found: list[Painting] = []
    for seed, scene in islice(_scenes(), number):
        drawn = render(scene)
        truth = Image.fromarray(drawn.image)
        found.append(Painting(seed, scene, truth, strokes(truth), drawn.masks["object"]))
    return found


def replacements(number: int, shapes: tuple[str, ...] = SHAPES) -> list[Replacement]:
    """Masks of each shape in turn; the thing's kind or its colour changes, one case each."""
    found: list[Replacement] = []
    for seed, scene in _scenes():
        if len(found) == number:
            break
        targets = _other_things(scene, "kind" if seed % 2 else "colour")
        if targets:
            target = targets[seed % len(targets)]
            shape = shapes[len(found) % len(shapes)]
            mask = _shaped(render(scene).masks["object"], shape)
            found.append(_replacement(seed, scene, target, shape, mask))
    return found


def insertions(number: int) -> list[Replacement]:
    """Slender things that come to empty ground, in a thin mask about the middle of each."""
    found: list[Replacement] = []
    for seed, scene in _scenes():
        if len(found) == number:
            break
        empty = variants(scene).get("thing", [])
        if scene.thing and scene.thing.kind in SLENDER and scene.other is None and empty:
            mask = _strip(render(scene).masks["object"])
            found.append(_replacement(seed, empty[0], scene, "thin", mask))
    return found


def comparisons(number: int) -> list[Comparison]:
    """The attributes of COMPARED in turn."""
    found: list[Comparison] = []
    for seed, scene in _scenes():
        if len(found) == number:
            break
        attribute = COMPARED[len(found) % len(COMPARED)]
        targets = [each for each in variants(scene).get(attribute, []) if _one(scene, each)]
        if targets:
            found.append(Comparison(seed, attribute, scene, targets[seed % len(targets)]))
    return found


def reconstructions(number: int) -> list[Reconstruction]:
    return [
        Reconstruction(seed, scene, Image.fromarray(render(scene).image))
        for seed, scene in islice(_scenes(), number)
    ]


def _scenes() -> Iterator[tuple[int, Scene]]:
    return ((seed, scene_of(seed, held_out=True)) for seed in count())


def _other_things(scene: Scene, name: str) -> list[Scene]:
    """The scenes with another thing where the only thing stands; flying things keep flying."""
    if scene.thing is None or scene.other is not None:
        return []
    flies = scene.thing.kind in FLYING
    found = variants(scene).get(name, [])
    return [each for each in found if each.thing and (each.thing.kind in FLYING) == flies]


def _one(source: Scene, target: Scene) -> bool:
    """Whether one attribute differs, and the target's caption names it."""
    before, after = attributes(source), attributes(target)
    changed = [name for name in after if before[name] != after[name]]
    return len(changed) == 1 and changed[0] in named(target)


def _replacement(
    seed: int, source: Scene, target: Scene, shape: str, mask: np.ndarray
) -> Replacement:
    before, after = render(source), render(target)
    touched = [each.masks[part] for each in (before, after) for part in ("object", "trace")]
    return Replacement(
        seed=seed,
        source=source,
        target=target,
        image=Image.fromarray(before.image),
        truth=Image.fromarray(after.image),
        shape=shape,
        mask=mask,
        background=~np.logical_or.reduce(touched),
    )


def _shaped(thing: np.ndarray, shape: str) -> np.ndarray:
    if shape == "exact":
        return thing
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ROOM + 1, 2 * ROOM + 1))
    return cv2.dilate(thing.astype(np.uint8), kernel) > 0


def _strip(thing: np.ndarray) -> np.ndarray:
    """As high as the thing, and THIN pixels wide about its middle."""
    rows, columns = np.nonzero(thing)
    middle = round(float(columns.mean()))
    mask = np.zeros_like(thing)
    mask[rows.min() : rows.max() + 1, middle - THIN // 2 : middle + THIN // 2] = True
    return mask
