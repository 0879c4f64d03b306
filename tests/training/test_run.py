"""Laws of training against the clock: it learns, it ends at rate zero, it goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from training.run import Run


class Toy(nn.Module):
    """One weight; its loss is the squared distance to 3."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.weight: nn.Parameter = nn.Parameter(torch.tensor([start]))

    def loss(self) -> torch.Tensor:
        return ((self.weight - 3) ** 2).sum()


def make(path: Path, toy: Toy, seconds: float = 60.0) -> Run:
    return Run(toy, path / "toy.pt", seconds / 60, lambda fraction: 0.1 * (1 - fraction), workers=2)


def test_it_descends_and_the_average_follows(tmp_path: Path):
    toy = Toy()
    run = make(tmp_path, toy)
    for step, _ in enumerate(run.steps()):
        run.descend([toy.loss, toy.loss])
        if step == 150:
            break
    assert toy.weight.item() == pytest.approx(3, abs=0.2)
    averaged = run.averaged(Toy()).weight.item()
    assert 0 < averaged < 3.5
    assert averaged != toy.weight.item()


def test_pieces_count_like_one_batch(tmp_path: Path):
    one, cut = Toy(), Toy()
    make(tmp_path, one).descend([lambda: one.loss() + 2 * one.weight.sum()])
    make(tmp_path, cut).descend(
        [lambda: cut.loss() + 4 * cut.weight.sum(), lambda: cut.loss() + 0 * cut.weight.sum()]
    )
    assert torch.equal(one.weight, cut.weight)
    assert one.weight.grad == cut.weight.grad


@pytest.mark.usefixtures("ticking")
def test_it_ends_with_its_time_and_not_before(tmp_path: Path):
    toy = Toy()
    run = make(tmp_path, toy, seconds=55)
    fractions = [run.fraction for _ in run.steps()]
    assert fractions == pytest.approx([0, 20 / 55, 40 / 55])
    assert run.elapsed == 60
    assert run.fraction == 1
    assert run.rate(run.fraction) == 0


@pytest.mark.usefixtures("ticking")
def test_it_resumes_where_it_was_and_goes_the_same_way(tmp_path: Path):
    """Near its end, where the gradient is not clipped to the same length at every step."""
    toy, again = Toy(2.8), Toy()
    run = make(tmp_path, toy, seconds=100)
    for step in run.steps():
        run.descend([toy.loss])
        if step == 2:
            break
    run.save()
    resumed = make(tmp_path, again, seconds=100)
    assert (resumed.step, resumed.elapsed) == (run.step, run.elapsed) == (2, 40)
    assert torch.equal(again.weight, toy.weight)
    run.descend([toy.loss])
    resumed.descend([again.loss])
    assert torch.equal(again.weight, toy.weight)
    assert torch.equal(resumed.average[0], run.average[0])


@pytest.mark.usefixtures("ticking")
def test_a_finished_run_does_nothing_more(tmp_path: Path):
    toy, again = Toy(), Toy()
    run = make(tmp_path, toy)
    for _ in run.steps():
        run.descend([toy.loss])
    assert list(make(tmp_path, again).steps()) == []
    assert torch.equal(again.weight, toy.weight)


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
def test_a_resumed_optimizer_counts_its_steps_off_the_device(tmp_path: Path):
    """AdamW reads its count at every step: on a device it would wait for it."""
    toy, elsewhere = Toy(), Toy().to("meta")
    run = make(tmp_path, toy)
    run.descend([toy.loss])
    run.save()
    resumed = make(tmp_path, elsewhere)
    state = resumed.optimizers[0].state[elsewhere.weight]
    assert state["step"].device.type == "cpu"
    assert state["exp_avg"].is_meta and resumed.average[0].is_meta


def test_a_pause_costs_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr("training.run.monotonic", lambda: now[0])
    run = make(tmp_path, Toy(), seconds=100)
    for step, _ in enumerate(run.steps()):
        now[0] += 3600 if step == 1 else 2
        if step == 4:
            break
    assert run.elapsed == 2 + 30 + 2 + 2
