"""Pictures as files: a reference with size and hash, and a copy that nobody sweeps away."""

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipelines.pictures import GONE, check_header

log = logging.getLogger(__name__)

BUDGET: Final = 512 * 2**20  # bytes of memory that the pictures of one order may take
NO_ROOM: Final = "The picture could not be kept: the disk is full. Free some space, then try again."

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture that has not been decoded."""

    path: Path
    bytes: int
    sha256: str
    width: int  # upright
    height: int

    @property
    def size(self) -> Size:
        return self.width, self.height

    def whole(self) -> Path:
        """The path; ValueError with a sentence where the file is not what it was."""
        try:
            same = self.path.stat().st_size == self.bytes and _hash(self.path) == self.sha256
        except OSError as error:
            raise ValueError(GONE) from error
        if not same:
            raise ValueError(GONE)
        return self.path


@dataclass(frozen=True, slots=True)
class Layers:
    """Files that a request's picture and mask are made of, as plain data.

    `size` is that of the picture to come, or of a mask alone. Where `around`, the picture may
    change around the strokes only.
    """

    picture: PictureFile | None
    strokes: PictureFile | None
    mask: PictureFile | None
    size: Size
    around: bool = False

    @property
    def files(self) -> Mapping[str, PictureFile]:
        named = {"picture": self.picture, "strokes": self.strokes, "mask": self.mask}
        return {name: file for name, file in named.items() if file is not None}

    def check_budget(self) -> None:
        """ValueError with a sentence where the decoded layers would take too much memory."""
        pixels = self.size[0] * self.size[1]
        needed = 5 * pixels  # a picture and its mask, as Pillow holds them
        needed += 4 * self.strokes.width * self.strokes.height if self.strokes else 0
        needed += self.mask.width * self.mask.height if self.mask else 0
        if needed > BUDGET:
            raise ValueError(
                f"The pictures of this edit take {needed // 2**20} MB of memory; "
                f"{BUDGET // 2**20} MB are the most. Make them smaller first."
            )

    def kept(self, folder: Path) -> "Layers":
        """The same layers of files in `folder`, which stay when the first ones are removed."""
        return replace(self, **{n: kept(file, folder / n) for n, file in self.files.items()})


def refer(path: Path) -> PictureFile:
    """A reference to a file; ValueError with a sentence where its header is no picture's."""
    width, height = check_header(path)
    try:
        return PictureFile(path, path.stat().st_size, _hash(path), width, height)
    except OSError as error:
        raise ValueError(GONE) from error


def kept(file: PictureFile, other: Path) -> PictureFile:
    """The same file at another path, where it stays when it is removed from its first one.

    A link where the disk can, else a copy. ValueError with a sentence where there is no room.
    """
    try:
        other.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(file.path, other)
        except OSError:
            shutil.copyfile(file.path, other)
    except FileNotFoundError as error:
        raise ValueError(GONE) from error
    except OSError as error:
        log.warning("A picture cannot be kept (%s)", error)
        raise ValueError(NO_ROOM) from error
    return replace(file, path=other)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
