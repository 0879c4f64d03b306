"""Examples for the studio's Compare: a source and other words for it, with a picture of the source.

`python -m training.examples` writes compare.json and its pictures beside the other examples. The
pictures are drawn by the world, not by the model, so nothing here waits for training; which seed a
comparison looks best with is found by trying, and is to be tried anew with other weights.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from training.scene import Scene, Thing
from training.world import render

THUMBNAIL = 96  # pixels on a side


@dataclass(frozen=True, slots=True)
class Comparison:
    """One example."""

    name: str
    scene: Scene  # what its picture shows
    prompt: str
    edits: Sequence[Mapping[str, Any]]
    seed: int = 1
    given: bool = False  # whether the source is the picture itself

    @property
    def image(self) -> str:
        return f"compare-{self.name.lower().replace(' ', '-')}.png"


def _scene(time: str, ground: str, mountains: str, kind: str, colour: str, seed: int) -> Scene:
    return Scene(
        time=time,
        ground=ground,
        mountains=mountains,
        thing=Thing(kind, colour),
        light=False,
        clouds=False,
        seed=seed,
    )


HOUSE = "a red house on a meadow near snowy mountains by day"

COMPARISONS = (
    Comparison(
        "Another object",
        _scene("day", "meadow", "snowy mountains", "house", "red", 16),
        HOUSE,
        [
            {"prompt": "a red tower on a meadow near snowy mountains by day"},
            {"prompt": "a red balloon on a meadow near snowy mountains by day"},
            {"prompt": "a red lighthouse on a meadow near snowy mountains by day"},
        ],
    ),
    Comparison(
        "Another colour",
        _scene("dawn", "lake", "blue mountains", "boat", "white", 16),
        "a white boat on a lake near blue mountains at dawn",
        [
            {
                "prompt": f"a {colour} boat on a lake near blue mountains at dawn",
                "self_replace_steps": 0.6,
                "local_blend": {"source": ["boat"], "target": ["boat"]},
            }
            for colour in ("red", "yellow", "purple")
        ],
    ),
    Comparison(
        "From day to night",
        _scene("day", "meadow", "green hills", "round tree", "green", 48),
        "a green round tree on a meadow near green hills by day",
        [
            {"prompt": f"a green round tree on a meadow near green hills {time}"}
            for time in ("at sunset", "at night", "at dawn")
        ],
    ),
    Comparison(
        "Other ground",
        _scene("day", "sand", "red cliffs", "house", "blue", 112),
        "a blue house on sand near red cliffs by day",
        [
            {"prompt": "a blue house on snow near red cliffs by day"},
            {"prompt": "a blue house on a meadow near red cliffs by day"},
            {"prompt": "a blue house on a wheat field near red cliffs by day"},
        ],
    ),
    Comparison(
        "Something more",
        _scene("day", "snow", "blue mountains", "pine tree", "green", 16),
        "a green pine tree on snow by day",
        [
            {"prompt": "a green pine tree on snow with the sun by day"},
            {"prompt": "a green pine tree on snow near blue mountains by day"},
        ],
    ),
    Comparison(
        "Less of a word",
        _scene("day", "meadow", "snowy mountains", "house", "red", 144),
        HOUSE,
        [{"prompt": HOUSE, "weights": {"mountains": weight}} for weight in (3.0, -0.5, -2.0)],
    ),
    Comparison(
        "A given picture",
        _scene("day", "meadow", "snowy mountains", "house", "red", 16),
        HOUSE,
        [
            {"prompt": "a blue house on a meadow near snowy mountains by day"},
            {"prompt": "a red house on a meadow near snowy mountains at sunset"},
        ],
        given=True,
    ),
)


def write(out: Path) -> list[dict[str, Any]]:
    """Draw the pictures into `out` and list the comparisons in compare.json."""
    out.mkdir(parents=True, exist_ok=True)
    listing: list[dict[str, Any]] = []
    for each in COMPARISONS:
        picture = Image.fromarray(render(each.scene).image)
        small = picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        (picture if each.given else small).save(out / each.image, optimize=True)
        entry = {"name": each.name, "image": each.image}
        if each.given:
            entry |= {"picture": each.image, "source": "picture"}
        asked = {"prompt": each.prompt, "edits": list(each.edits), "seed": each.seed}
        listing.append(entry | asked)
    (out / "compare.json").write_text(json.dumps(listing, indent=2) + "\n")
    return listing
