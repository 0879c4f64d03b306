"""What a method is asked for: pure data, without torch.

A request's fields carry hints (`Annotated[float, Range(0, 1, 0.01)]`). The form is built from them,
and the request validates itself by the same hints, so a value is described in one place only.
Every refusal is a `ValueError` with one sentence for the person who gave the value.
"""

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Protocol, Self, cast, get_type_hints

from PIL import Image

from pipelines.pictures import read_mask, read_picture

SCHEDULERS = {
    "default": "the model's own",
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "euler": "Euler",
    "euler_ancestral": "Euler ancestral",
    "dpmpp_2m": "DPM++ 2M",
    "unipc": "UniPC",
    "heun": "Heun",
    "lcm": "LCM",
}

MAX_WORDS_LENGTH = 2_000  # characters of a prompt
MAX_SHOWN = 1e15  # from here on a number is too long to be read


def readable(number: float) -> str:
    """A number as a sentence shows it: without an exponent, to twelve digits where it has a point.

    0.1 + 0.2 reads 0.3, and 2**32 - 1 reads 4294967295. `number` is below 10^15 on either side.
    """
    if isinstance(number, int):
        return str(number)
    text = f"{number:.12g}"
    if "e" in text:  # very small, or whole and very large
        text = f"{number:.15f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Range:
    """A number in [low, high]; whole where `step` is an int."""

    low: float
    high: float
    step: float
    label: str
    about: str = ""

    def check(self, value: Any) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and not (isinstance(value, float) and math.isfinite(value)):
            raise ValueError(f"{self.label} must be a number, not {value!r:.40}.")
        if not self.low <= value <= self.high:  # before anything is printed: an int may be endless
            given = readable(value) if abs(value) < MAX_SHOWN else ""
            found = f", not {given}" if given and not self.low <= float(given) <= self.high else ""
            ends = f"{readable(self.low)} and {readable(self.high)}"
            raise ValueError(f"{self.label} must lie between {ends}{found}.")
        if isinstance(self.step, int) and value != int(value):
            found = f", not {given}" if "." in (given := readable(value)) else ""
            raise ValueError(f"{self.label} must be a whole number{found}.")

    def parse(self, text: str) -> float:
        """The number that `text` writes in plain digits (`12`, `-3`; `0.5` where parts count)."""
        written = (
            r"-?[0-9]{1,15}" if isinstance(self.step, int) else r"-?[0-9]{1,15}(\.[0-9]{1,15})?"
        )
        if not re.fullmatch(written, text):
            kind = "a whole number" if isinstance(self.step, int) else "a number"
            ends = f"from {readable(self.low)} to {readable(self.high)}"
            raise ValueError(f"{self.label} must be {kind} {ends}, not {text!r:.40}.")
        value = int(text) if isinstance(self.step, int) else float(text)
        self.check(value)
        return self.clean(value)

    def argument(self, text: str) -> float:
        """The same as a `type` for `argparse`, which prints the sentence."""
        try:
            return self.parse(text)
        except ValueError as refusal:
            raise argparse.ArgumentTypeError(str(refusal)) from None

    def clean(self, value: Any) -> float:
        return int(value) if isinstance(self.step, int) else float(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `options`: what a request holds → what a person reads."""

    options: Mapping[str, str]
    label: str
    about: str = ""

    def check(self, value: object) -> None:
        if not isinstance(value, str) or value not in self.options:
            raise ValueError(
                f"{self.label} must be one of {', '.join(self.options)}, not {value!r:.40}."
            )

    def clean(self, value: Any) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Words:
    """Free text of at most MAX_WORDS_LENGTH characters."""

    label: str
    about: str = ""
    required: bool = False  # programs have to give it

    def check(self, value: object) -> None:
        if not isinstance(value, str):
            raise ValueError(f"{self.label} must be text, not {type(value).__name__}.")
        if len(value) > MAX_WORDS_LENGTH:
            raise ValueError(
                f"{self.label}: {len(value)} characters are too many; "
                f"keep it under {MAX_WORDS_LENGTH}."
            )
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{self.label}: half of a character is left; type it once more.")

    def clean(self, value: Any) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, or None where none is given.

    What `Image.open` gives is taken as it is: it becomes upright RGB, or as `mode` "L" a mask. The
    picture that is edited is called `image`, its mask `mask_image`.
    """

    label: str
    mode: str = "RGB"
    about: str = ""
    required: bool = False

    def check(self, value: object) -> None:
        if value is not None and not isinstance(value, Image.Image):
            raise ValueError(f"{self.label} must be a picture, not {type(value).__name__}.")

    def clean(self, value: Any) -> Image.Image | None:
        if value is None:
            return None
        return read_mask(value) if self.mode == "L" else read_picture(value)


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false."""

    label: str
    about: str = ""

    def check(self, value: object) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"{self.label} must be true or false, not {value!r:.40}.")

    def clean(self, value: Any) -> bool:
        return value


@dataclass(frozen=True, slots=True)
class Several:
    """At most `most` numbers, each as `each` says."""

    each: Range
    most: int
    label: str
    about: str = ""

    def check(self, value: object) -> None:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{self.label} must be a list of numbers, not {value!r:.40}.")
        numbers = cast("Sequence[Any]", value)
        if len(numbers) > self.most:
            raise ValueError(
                f"At most {self.most} {self.label.lower()} at once, not {len(numbers)}."
            )
        for number in numbers:
            self.each.check(number)

    def clean(self, value: Any) -> tuple[float, ...]:
        return tuple(self.each.clean(number) for number in value)


class Row(Protocol):
    """One row of `Rows`: a dataclass that can be read from what a page or a program sends."""

    @classmethod
    def read(cls, sent: Mapping[str, Any]) -> Self:
        """From a dictionary of its fields; ValueError with a sentence where it is none."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """One to `most` rows of a dataclass, such as the edits of a comparison."""

    row: type[Row]
    most: int
    label: str  # of one row
    about: str = ""
    required: bool = True

    def check(self, value: object) -> None:
        if not isinstance(value, list | tuple) or not all(
            isinstance(each, self.row) for each in cast("Sequence[Any]", value)
        ):
            raise ValueError(f"{self.label}s must be a list of {self.row.__name__}.")

    def clean(self, value: Any) -> tuple[Any, ...]:
        return tuple(value)


def check_mask(mask: Image.Image | None, picture: Image.Image) -> None:
    """ValueError with one sentence where a mask is not of its picture's size."""
    if mask is not None:
        check_sizes(mask.size, picture.size)


def check_sizes(mask: tuple[int, int], picture: tuple[int, int]) -> None:
    """The same by (width, height) alone."""
    if mask != picture:
        raise ValueError(
            f"The mask is {mask[0]}×{mask[1]} pixels and the picture "
            f"{picture[0]}×{picture[1]}; they must be of one size."
        )


Hint = Range | Choice | Words | Picture | Switch | Several | Rows


def required(hint: Hint | None) -> bool:
    """Whether a program has to give the field."""
    return isinstance(hint, Picture | Words | Rows) and hint.required


@cache
def hints(request_type: type[Any]) -> Mapping[str, Hint]:
    """Field name → hint, in the order of the fields; fields without a hint are left out."""
    annotated = get_type_hints(request_type, include_extras=True)
    found: dict[str, Hint] = {}
    for each in fields(request_type):
        for hint in getattr(annotated[each.name], "__metadata__", ()):
            if isinstance(hint, Hint):
                found[each.name] = hint
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """What every method takes. Validated when it is made; complete enough to repeat the picture."""

    prompt: Annotated[
        str, Words("Words", "What the picture should show; (red:1.3) counts more, [red] less.")
    ] = ""
    negative_prompt: Annotated[
        str, Words("Without", "What it should not show; (fog:1.3) counts more, [fog] less.")
    ] = ""
    num_inference_steps: Annotated[
        int, Range(1, 200, 1, "Steps", "More steps are slower and a little finer.")
    ] = 50
    guidance_scale: Annotated[
        float,
        Range(0.0, 30.0, 0.1, "Guidance", "How strictly the words are followed; 1 is not at all."),
    ] = 7.5
    scheduler: Annotated[str, Choice(SCHEDULERS, "Scheduler", "The way from noise to picture.")] = (
        "default"
    )
    seed: Annotated[
        int, Range(0, 2**32 - 1, 1, "Seed", "The same seed draws the same picture.")
    ] = 0

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():
            value = getattr(self, name)
            hint.check(value)
            object.__setattr__(self, name, hint.clean(value))
