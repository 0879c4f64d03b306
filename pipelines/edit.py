"""What a method returns: a record for each picture, and a report of the run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from PIL import Image

from pipelines.pictures import MAX_PIXELS

Make = Callable[[], Image.Image]


@dataclass(frozen=True, slots=True)
class Change:
    """What a comparison's edit did to its source."""

    kind: str  # "same", "reweight", "replace" or "refine"
    said: str  # the same in a sentence or two
    changed: float  # the share of pixels that visibly changed, in [0, 1]
    distance: float  # root mean square over pixels and channels, in [0, 1]
    where: tuple[int, int, int, int] | None  # left, top, right, bottom of nearly all of them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """One picture of an edit and its own figures, each None where the method has no such figure.

    `make` gives the picture, RGB. Large ones are composed each time it is called, so that one is
    in memory (`made`).
    """

    make: Make
    seed: int
    strength: float | None = None  # the level of noise that its run began at, in [0, 1]
    steps: int | None = None  # that ran
    distance_to_guide: float | None = None  # L2 in [0, 1], summed over the pixels
    agreement: float | None = None  # cosine of words and picture, in [-1, 1]
    changed_inside: float | None = None  # the share of the mask's pixels that changed
    changed_outside: int | None = None  # the number of pixels outside it that changed
    change: Change | None = None

    @property
    def image(self) -> Image.Image:
        return self.make()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What there is to say of a run; a method adds its own figures in a subclass."""

    scheduler: str = ""  # the one that ran
    unknown_words: Sequence[str] = ()  # words of the prompts that the model does not know
    note: str = ""  # sentences for a person


ReportT = TypeVar("ReportT", bound=Report, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Edit(Generic[ReportT]):
    """The pictures of a run in the order of its rows, its report, and further pictures by name."""

    results: Sequence[Result]
    report: ReportT
    views: Mapping[str, Image.Image] = field(default_factory=dict[str, Image.Image])

    @property
    def images(self) -> list[Image.Image]:
        """All pictures at once; where they are large, take `results` one by one."""
        return [each.image for each in self.results]

    @property
    def seeds(self) -> list[int]:
        return [each.seed for each in self.results]

    def __iter__(self) -> Iterator[Image.Image]:
        return (each.image for each in self.results)


def made(make: Sequence[Make], size: tuple[int, int]) -> list[Make]:
    """The pictures made once, where all have no more pixels than one may have; else `make`."""
    if len(make) * size[0] * size[1] > MAX_PIXELS:
        return list(make)
    return [in_memory(each()) for each in make]


def in_memory(image: Image.Image) -> Make:
    """A picture that is in memory, as `Result` takes it."""
    return lambda: image
