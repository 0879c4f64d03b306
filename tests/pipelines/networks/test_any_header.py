"""Laws of headers that Hypothesis tries on bytes of all kinds: a value, or one sentence."""

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.networks import header

SENTENCE = r"[^\n]*\.safetensors[^\n]*\."
WIDTHS = {"BOOL": 1, "U8": 1, "F8_E4M3": 1, "F16": 2, "BF16": 2, "I32": 4, "F32": 4, "C64": 8}

names = st.text(max_size=12).filter(lambda name: name != "__metadata__")
shapes = st.lists(st.integers(0, 9), max_size=4)
tensors = st.dictionaries(names, st.tuples(st.sampled_from(sorted(WIDTHS)), shapes), max_size=6)
metadata = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
blanks = st.sampled_from(["", " ", "\n\t", " " * 9])


def size(dtype: str, shape: list[int]) -> int:
    count = WIDTHS[dtype]
    for side in shape:
        count *= side
    return count


@st.composite
def files(draw: Any) -> tuple[bytes, dict[str, Any], dict[str, str]]:
    """A file that the format allows, with its tensors and its words."""
    held, said = draw(tensors), draw(metadata)
    entries: dict[str, Any] = {"__metadata__": said} if said else {}
    at = 0
    for name, (dtype, shape) in held.items():
        end = at + size(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    order = draw(st.permutations(list(entries)))
    compact = draw(st.booleans())
    text = json.dumps(
        {name: entries[name] for name in order},
        separators=(",", ":") if compact else None,
        ensure_ascii=draw(st.booleans()),
    )
    content = (text + draw(blanks)).encode()
    return len(content).to_bytes(8, "little") + content + bytes(at), held, said


def told(path: Path, content: bytes) -> header.Header | None:
    """None where it is refused in a sentence; never more memory than in proportion."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        return header.read(path)
    except ValueError as refusal:
        assert type(refusal) is ValueError
        assert re.fullmatch(SENTENCE, str(refusal)), refusal
        assert len(str(refusal)) < 250 and str(refusal).isprintable()
        return None
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 300_000 + 40 * len(content)


def bytes_of(found: header.Header) -> int:
    return sum(size(dtype, list(shape)) for dtype, shape in found.tensors.values())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "any.safetensors"


@given(st.binary(max_size=300))
@example((2**63).to_bytes(8, "little") + b"{}")
@example((2**40).to_bytes(8, "little") + b"{}" * 40)
def test_any_bytes_are_refused_in_one_sentence(path: Path, content: bytes) -> None:
    found = told(path, content)
    assert found is None or not found.tensors


PIECES = [
    *'{}[]:,"\\ \n01-.e', "true", "null", "NaN", "\ud800", "é", '"a"', '"dtype"', '"shape"', '"U8"',
    '"data_offsets"', "[0,1]", '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}', "__metadata__",
    '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}', "9" * 400,
]  # fmt: skip
spelled = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


@given(spelled | spelled.map(lambda text: f"{{{text}}}"), st.integers(0, 3))
def test_any_text_is_a_header_or_one_sentence(path: Path, text: str, room: int) -> None:
    content = text.encode("utf-8", "surrogatepass")
    found = told(path, len(content).to_bytes(8, "little") + content + bytes(room))
    if found is not None:
        assert bytes_of(found) == room


@settings(max_examples=50)
@given(files())
def test_what_the_format_allows_is_read_as_it_stands(
    path: Path, file: tuple[bytes, dict[str, Any], dict[str, str]]
) -> None:
    content, held, said = file
    found = told(path, content)
    assert found is not None
    assert found.tensors == {name: (dtype, tuple(shape)) for name, (dtype, shape) in held.items()}
    assert found.metadata == said


@settings(max_examples=50)
@given(files(), st.integers(0), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_file_is_refused_or_still_fits_its_length(
    path: Path, file: tuple[bytes, Any, Any], place: int, new: bytes, lost: int
) -> None:
    content, _, _ = file
    at = place % (len(content) + 1)
    damaged = content[:at] + new + content[at + lost :]
    found = told(path, damaged)
    if found is not None and all(dtype in WIDTHS for dtype, _ in found.tensors.values()):
        length = int.from_bytes(damaged[:8], "little")
        assert bytes_of(found) == len(damaged) - 8 - length
