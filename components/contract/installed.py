"""What the picker shows: installed models, what may go on top of one, a choice under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

HEAVIEST: Final = 2.0  # weight of a LoRA, to either side


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """Something that lies where models lie."""

    name: str
    family: str
    size: int  # bytes on the disk
    place: str  # where it lies, for a person
    source: str  # what it is chosen by: its path
    refusal: str = ""  # one sentence, where it cannot be used
    serving: bool = False
    note: str = ""  # of the one that serves: one sentence about what of its files is not used


@dataclass(frozen=True, slots=True)
class AddOn:
    """Something that lies there to go on top of the model that serves."""

    name: str
    words: bool  # whether it teaches a word, called as its name; else it is a LoRA
    size: int  # bytes on the disk; 0 where it is not there any more
    source: str  # its path
    refusal: str = ""  # one sentence, where it does not fit
    remark: str = ""  # one sentence, where only a part of it could be applied
    weight: float | None = None  # with which it is on top (1 for a word); None where it is not


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the choice of another model is."""

    phase: Literal["idle", "downloading", "loading", "failed", "chosen"] = "idle"
    text: str = ""  # the model's name; for "failed" a sentence
    done: int = 0  # bytes
    total: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to choose from, as far as it has been read."""

    installed: Sequence[InstalledModel] = ()
    add_ons: Sequence[AddOn] = ()
    whole: bool = False  # whether all has been read
