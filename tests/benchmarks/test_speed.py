"""The benchmark of speed compares equal work, and its arithmetic is right."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import networks
from benchmarks.speed import beside, full_width, levers, painting, process, report
from benchmarks.speed.__main__ import JOBS, USUAL, measure, parse, settings_of, write
from benchmarks.speed.bench import Bench, Settings, asked_steps, marked
from benchmarks.speed.report import Table
from benchmarks.speed.rounds import (
    Side,
    Spread,
    Unequal,
    agreed,
    differ,
    interleaved,
    order,
    ratio,
)
from pipelines.core import solvers
from tests.single_files import small_configs
from tests.toys import V, tiny_pipeline


@pytest.mark.parametrize(
    ("running", "strength", "steps", "exact"),
    [(20, 1.0, 20, 1.0), (20, 0.7, 29, 20 / 29), (14, 0.7, 20, 0.7), (1, 0.5, 2, 0.5)],
)
def test_as_many_steps_run_as_were_wanted(
    running: int, strength: float, steps: int, exact: float
) -> None:
    assert asked_steps(running, strength) == (steps, pytest.approx(exact))
    for wanted in range(1, 100):
        steps, exact = asked_steps(wanted, strength)
        assert int(steps * exact) == wanted  # what diffusers runs
        assert len(solvers.make("ddim", V, steps, exact).moments) == wanted


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert Spread.of([3.0, 1.0, 9.0]) == Spread(3.0, 1.0, 9.0)
    assert f"{Spread(1.0, 0.5, 2.0):.1f}" == "1.0 (0.5 to 2.0)"


# --- rounds --------------------------------------------------------------------------------------


def test_every_side_goes_first_as_often_as_last() -> None:
    rounds = [order("abc", number) for number in range(6)]
    assert rounds[:3] == [list("abc"), list("bca"), list("cab")]
    assert rounds[3:] == [each[::-1] for each in rounds[:3]]
    assert sorted(each[0] for each in rounds) == sorted(each[-1] for each in rounds)


def test_rounds_are_interleaved() -> None:
    done: list[str] = []
    sides: dict[str, Side] = {name: partial(done.append, name) for name in "ab"}
    seconds = interleaved(sides, 3, torch.device("cpu"))
    assert "".join(done) == "abbaba"
    assert [len(each) for each in seconds.values()] == [3, 3]


def test_a_ratio_is_taken_within_a_round() -> None:
    """A machine twice as slow in a round is so for both."""
    seconds = {"ours": [1.0, 2.0, 4.0], "peer": [2.0, 4.0, 8.0]}
    assert ratio(seconds, "ours", "peer") == Spread(0.5, 0.5, 0.5)


def test_pictures_that_differ_are_different_work(tmp_path: Path) -> None:
    dark, light = (Image.new("RGB", (4, 4), (level,) * 3) for level in (10, 12))
    dark.save(tmp_path / "saved.png")
    assert differ([dark, light], [dark, dark]) == 2
    drawn = {"peer": [dark], "studio": [tmp_path / "saved.png"]}
    assert agreed(drawn, "peer", torch.float32) == {"peer": 0, "studio": 0}
    with pytest.raises(Unequal, match="2 of 255"):
        agreed({"peer": [dark], "ours": [light]}, "peer", torch.float32)
    assert agreed({"peer": [dark], "ours": [light]}, "peer", torch.bfloat16)["ours"] == 2


def test_a_mask_covers_its_share_of_the_frame() -> None:
    for share, area in ((1, 1.0), (2, 1 / 4), (4, 1 / 16)):
        mask = np.asarray(marked(256, share)) > 0
        assert mask.mean() == area
        assert np.array_equal(mask, np.kron(mask[::8, ::8], np.ones((8, 8), bool)))


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_peak_is_what_the_work_held() -> None:
    def fill(megabytes: int) -> None:
        np.ones(megabytes * process.MB, np.uint8)

    small, large = (
        process.holding(partial(fill, megabytes), torch.device("cpu")) for megabytes in (50, 150)
    )
    assert small.resident > 50
    assert small.peak == pytest.approx(50, abs=15)
    assert large.peak == pytest.approx(150, abs=15)


def its_steps(bench: Bench, more: int) -> int:
    return bench.settings.steps + more


@pytest.mark.slow
def test_work_is_done_in_another_process(tmp_path: Path) -> None:
    bench = Bench(Settings("", "cpu", torch.float32, steps=3), tmp_path)
    assert process.alone(bench, its_steps, 4) == 7


# --- what is written -----------------------------------------------------------------------------


def test_a_column_is_written_in_its_unit() -> None:
    rows: dict[str, dict[str, report.Figure]] = {
        "peer": {"an edit, s": Spread(1.0, 0.9, 1.1), "of 255": 0},
        "ours": {"an edit, s": Spread(1.0, 0.9, 1.1), "ratio to peer": 0.5, "peak, MB": 99.6},
    }
    assert report.table(Table("Painting", "", rows)) == [
        "| | an edit, s | of 255 | ratio to peer | peak, MB |",
        "|---|---|---|---|---|",
        "| peer | 1.000 (0.900 to 1.100) | 0 |  |  |",
        "| ours | 1.000 (0.900 to 1.100) |  | 0.500 | 100 |",
    ]


def test_all_sides_of_painting_draw_one_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painting, "PROMPT", "a cat, by")  # one window: diffusers cuts the rest
    monkeypatch.setattr(torch, "compile", lambda network, **_choices: network)  # needs a compiler
    tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    wanted = ["--pairs", "2", "--steps", "2", "--device", "cpu", "--dtype", "float32"]
    given = parse([*wanted, "--model", str(tmp_path / "model"), "--only", "painting"])
    found = measure(settings_of(given), given.only)
    edits = found.tables[0].rows
    assert edits[painting.PEER]["ratio to diffusers"] == Spread(1.0, 1.0, 1.0)
    assert set(edits) == {painting.PEER, painting.METHOD, painting.STUDIO, painting.COMPILED}
    assert all(row["differs by, of 255"] in (0, 1) for row in edits.values())
    write(found, tmp_path / "out")
    text = (tmp_path / "out" / "speed.md").read_text("utf-8")
    assert "### Painting" in text and "| the studio, previews on, saved |" in text
    told = json.loads((tmp_path / "out" / "speed.json").read_text("utf-8"))
    assert told["tables"][0]["rows"][painting.PEER]["ratio to diffusers"]["median"] == 1.0


def test_a_lever_changes_one_thing_and_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levers, "PROMPT", "a cat, by")
    tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    settings = Settings(
        str(tmp_path / "model"), device="cpu", dtype=torch.float32, rounds=1, quick=True
    )
    bench, threads = Bench(settings, tmp_path), torch.get_num_threads()
    rows = levers.calls(bench).rows
    moved = {name: cast("float", row["moved"]) for name, row in rows.items()}
    assert moved.pop(levers.AS_IT_IS) == 0
    assert 0 < moved.pop("bfloat16") < 0.1
    assert all(each < 1e-4 for each in moved.values())
    assert bench.bundle.dtype == torch.float32 and torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("model", "jobs"),
    [
        ("sd15", [full_width.painted, full_width.replaced, full_width.quick, full_width.again]),
        ("sdxl", [full_width.painted]),
    ],
)
def test_models_of_the_published_form_are_held_to_the_floor(
    model: str, jobs: list[full_width.Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All sides draw one picture; XL's peer is XL's own pipeline."""
    small_configs(tmp_path / "configs")
    monkeypatch.setattr(networks, "ASSETS", tmp_path)
    monkeypatch.setattr(networks, "NARROW", {})
    settings = Settings("", device="cpu", dtype=torch.float32, rounds=1, quick=True)
    tables = full_width.tables(Bench(settings, tmp_path / "studio"), model, jobs, 2, 16)
    assert all(full_width.TITLES[model] in each.title for each in tables)
    for each in tables:
        assert {row.get("differs by, of 255", 0) for row in each.rows.values()} <= {0, 1}
    for row in tables[0].rows.values():
        share, taken = row["the floor's share"], row["an edit, s"]
        assert isinstance(share, Spread) and isinstance(taken, Spread)
        assert share.low > 0
        assert share.median * taken.median == pytest.approx(share.high * taken.low)


@pytest.mark.alone
def test_an_edit_is_timed_beside_busy_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each side is told its own by the environment, and this process keeps what it was told."""
    tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    settings = Settings(
        str(tmp_path / "model"), device="cpu", dtype=torch.float32, steps=1, rounds=1
    )
    (table,) = beside.measure(Bench(settings, tmp_path / "studio"))
    assert list(table.rows) == [*beside.CASES]
    quiet = table.rows[beside.QUIET]
    assert [quiet[beside.ALONE]] == [Spread(1, 1, 1)]
    assert os.environ["GOMP_SPINCOUNT"] == "7" and "OMP_PROC_BIND" not in os.environ


def test_operations_are_those_of_the_steps(tmp_path: Path) -> None:
    """Each step has the same, beside those of the autoencoder and the words."""
    tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    settings = Settings(str(tmp_path / "model"), device="cpu", dtype=torch.float32)
    one, two, four = (
        full_width.operations(Bench(replace(settings, steps=steps), tmp_path))
        for steps in (1, 2, 4)
    )
    assert 0 < one < two < four and four - two == 2 * (two - one)


def test_the_command_line_has_its_defaults() -> None:
    assert parse([]).only == USUAL and {*JOBS} - {*USUAL} == {"sd15", "sdxl"}
    quick = settings_of(parse(["--quick", "--device", "cpu", "--dtype", "float32"]))
    assert (quick.rounds, quick.steps, quick.quick) == (2, 4, True)
