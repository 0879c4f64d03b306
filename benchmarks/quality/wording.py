"""Words as people write them: two hundred sentences, written by hand and never trained on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.quality.cases import Exhibits
from benchmarks.quality.job import Figures, Job, Pictures
from benchmarks.quality.lab import Lab
from training.scene import ATTRIBUTES

SENTENCES = Path(__file__).with_name("sentences.json")
EXCHANGED = {
    "kind": "other kind", "colour": "other colour", "other kind": "kind", "other colour": "colour"
}  # fmt: skip

T = TypeVar("T")
Shown = dict[str, tuple[str, ...]]  # attribute → the values that the sentence allows


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """A sentence, and what its picture has to show."""

    seed: int
    prompt: str
    shown: Shown
    either_order: bool  # whether the sentence leaves open which thing stands left

    @property
    def exhibits(self) -> Exhibits:
        return {}

    @property
    def readings(self) -> list[Shown]:
        """What may be shown, attribute by attribute: with the things as named, and exchanged."""
        return [self.shown, _exchanged(self.shown)] if self.either_order else [self.shown]


def wordings(number: int) -> list[Wording]:
    """The first sentences of the file."""
    entries = json.loads(SENTENCES.read_text(encoding="utf-8"))[:number]
    return [
        Wording(
            seed,
            entry["sentence"],
            {
                name: (values,) if isinstance(values, str) else tuple(values)
                for name, values in entry["shows"].items()
            },
            entry.get("either order", False),
        )
        for seed, entry in enumerate(entries)
    ]


def ours(lab: Lab, case: Wording) -> Pictures:
    return [lab.drawer.drawn(case.prompt, case.seed)]


def measure(lab: Lab, case: Wording, pictures: Pictures) -> Figures:
    """Of things in either order, the order in which more is right."""
    found = lab.critic.read(pictures)[0].attributes
    right = [
        {name: float(found[name] in values) for name, values in shown.items()}
        for shown in case.readings
    ]
    best = max(range(len(right)), key=lambda i: sum(right[i].values()))
    each = right[best] if best == 0 else _exchanged(right[best])
    return {
        "attributes": sum(each.values()) / len(each),
        "all attributes": min(each.values()),
        **{name: each.get(name, float("nan")) for name in ATTRIBUTES},
    }


def job(number: int) -> Job[Wording]:
    return Job(
        "Wording",
        "Pictures from freely worded sentences, seed i for sentence i.",
        wordings(number),
        {"the model, from words": ours},
        measure,
        "attributes",
    )


def _exchanged(named: Mapping[str, T]) -> dict[str, T]:
    """The figures or values of each of two things under the other's names."""
    return {EXCHANGED.get(name, name): value for name, value in named.items()}
