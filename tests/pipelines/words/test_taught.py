"""A taught word is known in a prompt as its file is called, whatever that is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
import torch

from pipelines import Bundle
from pipelines.networks import adapters
from pipelines.words import emphasis, taught
from pipelines.words.alignment import align
from tests import addons, toys

SIZE = (32, 32)
NAMES = [
    "glow (1)", "glow [soft]", "(glow)", "[glow]", "glow+", "glow++", "-glow-", "glow--", "+1",
    "a:b", "glow:1.2", "glow,", "a, b", "a  b", " led ", "1.5", "v1.5.2", "2", "Glow", "<cat>",
    "cat-toy", "it's", "C++ (2)", "((x))", "x)", "(x", "BREAK", "größe", "山", "한글", "é\u0323",
    "a\\(b", "a_b", "🔥", "glow (1).v2",
]  # fmt: skip

Teach = Callable[..., Bundle]


@pytest.fixture
def teach(tmp_path: Path) -> Teach:
    """A toy bundle that knows these words, the first of two vectors and any other of one."""

    def teach(*names: str) -> Bundle:
        pipe = toys.tiny_pipeline(tmp_path)
        files = [
            addons.word(tmp_path / "words" / f"{name}.safetensors", 32, 2 if i == 0 else 1)
            for i, name in enumerate(names)
        ]
        adapters.add_embeddings(pipe, files)
        return Bundle.of(pipe)

    return teach


def ids(bundle: Bundle, name: str) -> tuple[int, ...]:
    return tuple(taught.words(bundle.tokenizers[0])[taught.fold(name)])


def read(bundle: Bundle, prompt: str) -> list[tuple[int, float]]:
    line = bundle.read(prompt)
    return [(i, round(w, 4)) for i, w in zip(line.ids, line.weights, strict=True)]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", NAMES)
def test_a_word_is_heard_as_its_chip_spells_it(name: str, form: Any, teach: Teach) -> None:
    bundle = teach(normalize(form, name))
    both = ids(bundle, name)
    assert len(both) == 2
    (q,), (z,) = (bundle.read(letter).ids for letter in "qz")
    plain = [(each, 1.0) for each in both]
    for spelled in (normalize("NFC", name), normalize("NFD", name), name.upper(), name.lower()):
        chip = " ".join(spelled.split())  # as the studio cleans what is typed
        assert read(bundle, chip) == plain
        assert read(bundle, f"q {chip} z") == [(q, 1.0), *plain, (z, 1.0)]
        weighed = [(q, 1.0), *((each, 1.2) for each in both), (z, 1.0)]
        assert read(bundle, f"q ({chip}:1.2) z") == weighed


def test_of_two_words_the_longer_is_heard(teach: Teach) -> None:
    bundle = teach("glow", "glow (1)", "glow+")
    one, other, third = (ids(bundle, name) for name in ("glow", "glow (1)", "glow+"))
    line = bundle.read("glow (1), glow, (glow (1):1.5) glow+ GLOW (1)")
    comma = bundle.read(",").ids[0]
    assert line.ids == (*other, comma, *one, comma, *other, *third, *other)
    assert [round(w, 2) for w in line.weights] == [1, 1, 1, 1, 1, 1.5, 1, 1]


def test_what_stands_behind_a_word_may_be_a_mark(teach: Teach) -> None:
    bundle = teach("glow (1)")
    for prompt, weight in (
        ("glow (1)++", 1.21),
        ("glow (1)-", 0.9),
        ("((glow (1)))", 1.21),
        ("[glow (1)]", 0.9091),
        ("(glow (1))2", 2),
        ("(a glow (1):0)", 0),
    ):
        assert read(bundle, prompt)[-1][1] == weight, prompt
    assert read(bundle, "glow (1)-like")[0][1] == 1


def test_a_part_of_another_word_is_none(teach: Teach) -> None:
    bundle = teach("glow", "e")
    for prompt in ("aglow", "glows", "glow2", "9glow", "glow_", "e\u0301"):
        found = {number for number, _ in read(bundle, prompt)}
        assert not found & {*ids(bundle, "glow"), *ids(bundle, "e")}, prompt


def test_without_taught_words_marks_are_marks(teach: Teach) -> None:
    bundle = teach("glow")
    assert [w for _, w in read(bundle, "glow (1)")] == [1, 1, 1.1]
    assert emphasis.read("glow (1)") == emphasis.read("glow (1)", ["other"])


@pytest.mark.parametrize("name", [",", "()", "--", " ", "+", "._."])
def test_a_name_without_letters_is_refused(name: str, tmp_path: Path) -> None:
    path = addons.word(tmp_path / f"{name}.safetensors", 32)
    with pytest.raises(ValueError, match=r"has no letter in it; rename the file\.$"):
        adapters.add_embeddings(toys.tiny_pipeline(tmp_path), [path])


@pytest.mark.parametrize("name", ["a\x07b", "a\nb", "a\x1f0", "a\udcff", "\u0301a"])
def test_a_name_that_nobody_can_type_is_refused(name: str, tmp_path: Path) -> None:
    path = addons.word(tmp_path / "a.safetensors", 32).rename(tmp_path / f"{name}.safetensors")
    with pytest.raises(ValueError, match=r"^The name of .* cannot be typed in a prompt;"):
        adapters.add_embeddings(toys.tiny_pipeline(tmp_path), [path])


def test_two_files_of_one_word_are_refused() -> None:
    for one, other in (("Glow", "glow"), ("é", "e\u0301"), ("a b", "A  b"), ("ß", "SS")):
        with pytest.raises(ValueError, match=r"^Two files are called "):
            adapters.names([f"/x/{one}.safetensors", f"/y/{other}.safetensors"])


def test_a_taught_word_is_one_word_of_an_edit(teach: Teach) -> None:
    """Swapped for another word, kept beside one, and named by any of its parts."""
    bundle = teach("glow (1)")
    swapped = align(bundle.read("a glow (1) b"), bundle.read("a c b"))
    assert swapped.kind == "replace" and swapped.change == "“glow (1)” became “c”"
    assert torch.equal(swapped.mapper[2:4, 2], torch.ones(2, dtype=torch.float64))
    assert swapped.mapper[4, 3] == 1
    kept = align(bundle.read("a glow (1) b"), bundle.read("a glow (1) c"))
    assert kept.kind == "replace" and torch.equal(kept.mapper[2:4, 2:4], torch.eye(2).double())
    assert align(bundle.read("glow (1) b"), bundle.read("glow (1) b")).kind == "same"
    weighed = align(bundle.read("glow (1) b"), bundle.read("(glow (1):1.5) b"))
    assert weighed.kind == "same" and weighed.weighed
    for part in ("glow (1)", "glow", "GLOW (1)"):
        assert bundle.read("a glow (1) b").find(part) == (2, 3)
    assert [word.text for word in bundle.read("a glow (1) b").words] == ["a", "glow", "1", "b"]
    texts = [word.text for word in bundle.read("a glow (1) b").phrases]
    assert texts == ["a", "glow (1)", "b"]


def test_a_long_prompt_is_searched_in_proportion() -> None:
    """300 words over 20,000 letters: far below what trying each at each letter would take."""
    words = [taught.fold(f"a{i} (x)") for i in range(300)]
    assert len(taught.spans("a1 (x) " * 2900, words)) == 2900
    assert taught.spans("(" * 20_000, words) == []
