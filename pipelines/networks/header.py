"""The header of a `.safetensors` file: the names, types and shapes of its tensors.

Eight bytes of length, that much JSON, then the bytes of the tensors without gaps
(https://github.com/huggingface/safetensors#format). The JSON is read entry by entry, each of
bounded length: a parser in C would hold the interpreter for most of a second over 4 MB of brackets.
"""

import json
import math
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

MAX_HEADER: Final = 4 * 2**20  # bytes; a whole XL checkpoint needs half a million
MAX_NAME: Final = 1000  # characters of a tensor's name
MAX_ENTRY: Final = 1000  # characters that type, shape and place of a tensor take
MAX_SIDES: Final = 8  # of a tensor
METADATA: Final = "__metadata__"
OVERLAP: Final = "tensors overlap or leave gaps"
BYTES: Final = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
T = TypeVar("T")
_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")
_USUAL = re.compile(  # a tensor as nearly every program writes it
    r'\{"dtype":"([A-Z0-9_]{1,20})","shape":\[((?:[0-9]{1,20}(?:,[0-9]{1,20})*)?)\],'
    r'"data_offsets":\[([0-9]{1,20}),([0-9]{1,20})\]\}'
)


# Type and shape. Plain, so that the garbage collector has nothing to follow: of 80,000 objects it
# would look through all the others of the process as well.
Entry = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Header:
    tensors: dict[str, Entry]  # by name
    metadata: dict[str, str]


def read(path: Path) -> Header:
    """The header of a file, checked against the file's size; no tensor is read.

    Raises ValueError with one sentence where the file is something else, cut off, or contradicts
    itself.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its other end
            raise ValueError(f"{path.name} is no file; only .safetensors files are read.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            length = int.from_bytes(start, "little")
            held = len(start) == 8 and 2 <= length <= size - 8
            if held and length > MAX_HEADER:
                raise ValueError(
                    f"The header of {path.name} takes {length / 2**20:.1f} MB; "
                    f"{MAX_HEADER // 2**20} MB is the most that is read."
                )
            text = file.read(length) if held else b""
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror}).") from error
    if not held and _is_pickle(start):
        raise ValueError(f"{path.name} can run code; only .safetensors files are read.")
    if len(text) != length or not held:
        raise ValueError(
            f"{path.name} is cut off or of another kind; only .safetensors files are read."
        )
    try:
        return parsed(text.decode(), size - 8 - length)
    except UnicodeDecodeError:
        reason = "its header is no text"
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{path.name} is damaged ({reason}); fetch the file again.")


def parsed(text: str, room: int) -> Header:
    """From the JSON of a header over `room` bytes of tensors.

    Raises ValueError with a short reason where it is not what the format allows.
    """
    metadata: dict[str, str] = {}
    places: dict[int, int] = {}  # where a tensor begins → where it ends
    empty: set[int] = set()

    def member(name: str, at: int) -> tuple[Entry | None, int]:
        if name == METADATA:
            words, end = _object(text, at, lambda _, at: _string(text, at))
            metadata.update(words)
            return None, end
        entry, (begin, after), end = _tensor(name, text, at)
        if begin == after:
            empty.add(begin)
        elif places.setdefault(begin, after) != after:
            raise ValueError(OVERLAP)
        return entry, end

    found, end = _object(text, 0, member)
    if _BLANK.fullmatch(text, end) is None:
        raise ValueError("its header goes on after its end")
    tensors = {name: each for name, each in found.items() if each is not None}
    at = 0
    for _ in places:
        at = places.get(at, -1)
    filled = sum(0 not in shape for _, shape in tensors.values())
    if filled != len(places) or not empty <= {0, at, *places}:
        raise ValueError(OVERLAP)
    if at != room:
        raise ValueError(f"it has {room} bytes instead of {max(at, 0)}")
    return Header(tensors, metadata)


def shown(name: str) -> str:
    """A name from a file, for a sentence: not long, and without what cannot be shown."""
    return "".join(each if each.isprintable() else "?" for each in name[:60])


def _object(
    text: str, at: int, value: Callable[[str, int], tuple[T, int]]
) -> tuple[dict[str, T], int]:
    """The members of the JSON object that begins here, and where it ends."""
    found: dict[str, T] = {}
    at = _past(text, at, "{")
    end = _skip(text, at)
    if text.startswith("}", end):
        return found, end + 1
    while True:
        name, at = _string(text, at)
        if len(name) > MAX_NAME:
            raise ValueError(f"a name in it has {len(name)} characters")
        if name in found:
            raise ValueError(f"{shown(name)} stands there twice")
        found[name], at = value(name, _past(text, at, ":"))
        if not text.startswith(",", at):
            at = _skip(text, at)
            if text.startswith("}", at):
                return found, at + 1
        at = _past(text, at, ",")


def _string(text: str, at: int) -> tuple[str, int]:
    """The string that begins here, and where it ends."""
    try:
        return _DECODER.raw_decode(text, _past(text, at, '"') - 1)
    except ValueError:
        raise ValueError("its header is no JSON") from None


def _past(text: str, at: int, mark: str) -> int:
    """Behind this mark, which may have blanks before it."""
    if not text.startswith(mark, at):
        at = _skip(text, at)
        if not text.startswith(mark, at):
            raise ValueError("its header is no JSON")
    return at + 1


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def _tensor(name: str, text: str, at: int) -> tuple[Entry, tuple[int, ...], int]:
    """What stands here about a tensor, where its bytes are, and where that ends."""
    if usual := _USUAL.match(text, at):
        dtype, sides, *span = usual.groups()
        shape = tuple(map(int, sides.split(","))) if sides else ()
        places = tuple(map(int, span))
        end = usual.end()
    else:
        end = text.find("}", at, at + MAX_ENTRY) + 1
        dtype, shape, places = _unusual(name, text[at:end])
    width = BYTES.get(dtype)
    if width is None:
        raise ValueError(f"{shown(name)} is of an unknown type")
    if len(shape) > MAX_SIDES or len(places) != 2:
        raise ValueError(f"{shown(name)} has no size")
    if math.prod(shape) * width != places[1] - places[0]:
        raise ValueError(f"{shown(name)} is not as long as its shape")
    return (dtype, shape), places, end


def _unusual(name: str, text: str) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ValueError(f"{shown(name)} is no tensor")
    shape, places = _counts(told.get("shape")), _counts(told.get("data_offsets"))
    if shape is None or places is None:
        raise ValueError(f"{shown(name)} has no size")
    return str(told.get("dtype")), shape, places


def _counts(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    counts: list[Any] = value
    return tuple(counts) if all(type(each) is int and each >= 0 for each in counts) else None


def _is_pickle(start: bytes) -> bool:
    """By content: a pickle, or the zip archive of pickles that torch writes."""
    return start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5")
