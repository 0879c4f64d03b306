"""Numbers on the command lines of training and of the benchmarks: in range, or one sentence."""

import argparse
from collections.abc import Callable, Sequence

import pytest

from benchmarks.quality import __main__ as quality
from benchmarks.quality import strength
from benchmarks.speed import __main__ as speed
from training import __main__ as training
from training import bars

Parse = Callable[[Sequence[str]], argparse.Namespace]

WHOLE: list[tuple[Parse, str, str]] = [
    (bars.parse, "--count", "from 1 to 10000"),
    (strength.parse, "--steps", "from 1 to 200"),
    (quality.parse, "--steps", "from 1 to 200"),
    (quality.parse, "--candidates", "from 1 to 8"),
    (speed.parse, "--steps", "from 1 to 200"),
    (speed.parse, "--pairs", "from 1 to 1000"),
]
PARTS: list[tuple[Parse, str, str]] = [
    (quality.parse, "--guidance", "from 0 to 30"),
    (speed.parse, "--guidance", "from 0 to 30"),
    (speed.parse, "--strength", "from 0 to 1"),
    *(
        (training.parse, f"--{stage}-minutes", "from 0 to 100000")
        for stage in ("autoencoder", "decoder", "denoiser", "critic", "ranker", "student")
    ),
]
ODD = ("nan", "inf", "-inf", "infinity", "1e400", "1e3", "", "ten", "1_0", "१२", "9" * 5000)


def refusal(parse: Parse, flag: str, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        parse([f"{flag}={text}"])
    assert left.value.code == 2
    usage, _, sentence = capsys.readouterr().err.partition(f"error: argument {flag}: ")
    assert usage.startswith("usage: ") and sentence.count("\n") == 1
    return sentence.rstrip()


@pytest.mark.parametrize(("parse", "flag", "ends"), [*WHOLE, *PARTS])
@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:8])
def test_what_is_no_plain_number_is_refused_with_the_range(
    parse: Parse, flag: str, ends: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refusal(parse, flag, text, capsys)
    assert ends in sentence and sentence.endswith(".") and len(sentence) < 120


@pytest.mark.parametrize(("parse", "flag", "ends"), [*WHOLE, *PARTS])
@pytest.mark.parametrize("text", ["-3", "100000000"])
def test_what_is_out_of_range_is_refused_with_the_range(
    parse: Parse, flag: str, ends: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, low, _, high = ends.split()
    sentence = refusal(parse, flag, text, capsys)
    assert sentence.endswith(f"must lie between {low} and {high}, not {text}.")


@pytest.mark.parametrize(("parse", "flag", "ends"), WHOLE)
@pytest.mark.parametrize("text", ["0", "2.5"])
def test_a_count_is_whole_and_not_zero(
    parse: Parse, flag: str, ends: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends.removeprefix("from ").split()[-1] in refusal(parse, flag, text, capsys)


@pytest.mark.parametrize(("parse", "flag", "ends"), [*WHOLE, *PARTS])
def test_the_ends_are_taken(parse: Parse, flag: str, ends: str) -> None:
    name = flag.lstrip("-").replace("-", "_")
    for end in (ends.split()[1], ends.split()[3]):
        given = getattr(parse([f"{flag}={end}"]), name)
        assert given == float(end) or given == [float(end)]
