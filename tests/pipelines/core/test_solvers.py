"""Closed forms: toys whose right answer is known, for every solver of the list."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, get_args

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from pipelines.core import noise, solvers
from pipelines.core.inversion import invert
from pipelines.core.sampling import Moment, Step, walk
from pipelines.core.schedule import CLEAN, Level, Prediction, noised, split
from tests import toys
from tests.pairs import pairwise

DETERMINISTIC = {"ddim": 1, "euler": 1, "dpmpp_2m": 2, "unipc": 2, "heun": 2}  # name → order
CASES = [
    (name, kind)
    for kind, config in toys.CONFIGS.items()
    for name in solvers.CLASSES
    if name in solvers.offered(config)
]


def kinds_with(name: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Solver, kind and one parameter more, pair by pair."""
    every = {"name": [*solvers.CLASSES], "kind": [*toys.CONFIGS], name: values}
    return pairwise(
        every,
        lambda solver, kind, value: (
            (solver, kind) in CASES and not (solver == "lcm" and value > 50)
        ),
    )


def finish(steps: Iterator[Step]) -> Tensor:
    """Run a walk to its end."""
    *_, last = steps
    return last.latents


@pytest.mark.parametrize(("name", "kind", "strength"), kinds_with("strength", [0.05, 0.6, 1.0]))
def test_a_point_mass_is_sampled_exactly(name: str, kind: str, strength: float) -> None:
    config = toys.CONFIGS[kind]
    y = torch.tensor([[[[1.5, -0.5], [0.25, -2.0]]]])
    generators = noise.generators([1, 2])
    solver = solvers.make(name, config, 12, strength, generators=generators)
    e = noise.draw(generators, y.shape[1:])
    x = noised(torch.zeros_like(y), e, solver.moments[0].here)
    end = finish(walk(x, toys.point_mass(y, solver.prediction), solver))
    assert solver.moments[-1].next == CLEAN
    torch.testing.assert_close(end, y.expand(2, -1, -1, -1), atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", list(solvers.CLASSES))
@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "EulerDiscreteScheduler"},  # Stable Diffusion XL's own is silent on much
        {
            "_class_name": "DEISMultistepScheduler",
            "algorithm_type": "deis",
            "solver_type": "logrho",
        },
        {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"},
    ],
    ids=["euler", "deis", "dpmsolver"],
)
def test_another_schedulers_config_is_taken_for_what_it_says(
    name: str, config: dict[str, Any]
) -> None:
    """Latents are never cut to [-1, 1], and what a scheduler refuses of another is left out."""
    betas = {key: toys.EPSILON[key] for key in ("beta_start", "beta_end", "beta_schedule")}
    solver = solvers.make(name, {**betas, **config}, 12, generators=noise.generators([1]))
    y = torch.tensor([[[[1.5, -0.5], [0.25, -2.0]]]])
    x = noised(torch.zeros_like(y), torch.randn_like(y), solver.moments[0].here)
    end = finish(walk(x, toys.point_mass(y, solver.prediction), solver))
    torch.testing.assert_close(end, y, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("name", "order"), DETERMINISTIC.items())
def test_a_gaussian_is_carried_at_the_stated_order(name: str, order: int) -> None:
    """The ODE scales x from the spread at one level to the spread at another: seen half way, where
    the levels still lie close, twice the steps divide the error by 2^order."""
    deviation = 0.5
    errors = []
    for steps in (40, 80):
        solver = solvers.make(name, toys.V, steps)
        x = torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
        truth = toys.gaussian(deviation, solver.prediction)
        *_, half = islice(walk(x, truth, solver), steps // 2)
        levels = solver.moments[0].here, half.moment.next
        start, end = (toys.gaussian_spread(level, deviation) for level in levels)
        errors.append(float((half.latents - x * end / start).abs().max()))
    assert errors[1] < errors[0] / 2 ** (order - 0.3), errors
    assert errors[1] < 0.02


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_a_gaussian_comes_out_with_its_spread(name: str) -> None:
    solver = solvers.make(name, toys.V, 50)
    x = torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
    end = finish(walk(x, toys.gaussian(0.5, solver.prediction), solver))
    exact = x * 0.5 / toys.gaussian_spread(solver.moments[0].here, 0.5)
    torch.testing.assert_close(end, exact, atol=0.03, rtol=0)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_levels_are_those_the_scheduler_uses(name: str, kind: str) -> None:
    """Each step starts where the one before ended, except where DDIM's own grid does not."""
    solver = solvers.make(name, toys.CONFIGS[kind], 10)
    assert [moment.index for moment in solver.moments] == list(range(1, 11))
    for before, after in zip(solver.moments, solver.moments[1:], strict=False):
        assert before.next.noise < before.here.noise
        assert after.here.noise == pytest.approx(before.next.noise, abs=2e-2)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_revise_returns_is_where_the_next_step_starts(name: str, kind: str) -> None:
    """A revise that puts the source at the next level everywhere: each call sees just that."""
    config = toys.CONFIGS[kind]
    generators = noise.generators([3])
    solver = solvers.make(name, config, 6, generators=generators, corrector=False)
    source, e = torch.full((1, 1, 2, 2), 0.7), noise.draw(generators, (1, 2, 2))
    expected = noised(source, e, solver.moments[0].here)
    seen: list[tuple[Tensor, Tensor]] = []
    truth = toys.point_mass(torch.zeros(1, 1, 2, 2), solver.prediction)

    def predict(x: Tensor, moment: Moment) -> Tensor:
        if moment in solver.moments:  # not Heun's second half
            seen.append((x, expected))
        return truth(x, moment)

    def revise(x: Tensor, moment: Moment) -> Tensor:
        nonlocal expected
        expected = noised(source, e, moment.next)
        return expected

    end = finish(walk(expected, predict, solver, revise))
    assert len(seen) == 6
    for x, revised in seen:
        torch.testing.assert_close(x, revised)
    torch.testing.assert_close(end, expected)


def test_unipcs_corrector_forgets_a_soft_revise() -> None:
    """With the corrector on, a soft revise is forgotten: the reason for `corrector=False`."""
    e, source = noise.draw(noise.generators([4]), (1, 2, 2)), torch.ones(1, 1, 2, 2)
    truth = toys.gaussian(0.5, "v_prediction")

    def revise(x: Tensor, moment: Moment) -> Tensor:
        return (x + noised(source, e, moment.next)) / 2

    def run(corrector: bool) -> Tensor:
        return finish(walk(e, truth, solvers.make("unipc", toys.V, 8, corrector=corrector), revise))

    assert (run(corrector=True) - run(corrector=False)).abs().max() > 1e-3


PAIRS = [Level.of_alpha(0.3), Level.of_flow(0.7), Level(0.8, 2.0)]  # the last is of neither kind


@pytest.mark.parametrize("level", PAIRS, ids=["preserving", "flow", "any"])
@pytest.mark.parametrize("prediction", get_args(Prediction))
def test_split_undoes_the_parametrisation(prediction: Prediction, level: Level) -> None:
    clean, e = torch.randn(2, 2, 3, dtype=torch.float64)
    x = noised(clean, e, level)
    found = split(x, toys.output_of(clean, e, level, prediction), level, prediction)
    torch.testing.assert_close(found[0], clean, atol=1e-12, rtol=0)
    torch.testing.assert_close(found[1], e, atol=1e-12, rtol=0)
    torch.testing.assert_close(noised(*found, level), x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("prediction", ["v_prediction", "sample", "flow_prediction"])
def test_split_is_defined_where_the_signal_is_zero(prediction: Prediction) -> None:
    x, output = torch.randn(2, 3)
    clean, e = split(x, output, Level(0.0, 1.0), prediction)
    expected = {"v_prediction": -output, "sample": output, "flow_prediction": x - output}
    torch.testing.assert_close(clean, expected[prediction])
    torch.testing.assert_close(e, x)


def test_a_ddim_step_between_levels_of_flow_is_eulers() -> None:
    """Against diffusers' own scheduler, along all of a run."""
    scheduler: Any = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(10)
    generator = torch.Generator().manual_seed(5)
    ours = theirs = torch.randn(1, 4, 3, 3, generator=generator)
    levels = [Level.of_flow(each) for each in scheduler.sigmas.tolist()]
    for t, here, after in zip(scheduler.timesteps, levels[:-1], levels[1:], strict=True):
        output = torch.randn(1, 4, 3, 3, generator=generator)
        theirs = scheduler.step(output, t, theirs, return_dict=False)[0]
        ours = noised(*split(ours.double(), output, here, "flow_prediction"), after)
        assert (ours - theirs).abs().max() <= 1e-6
    assert levels[0] == (0.0, 1.0) and levels[-1] == (1.0, 0.0)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (Level.of_alpha(0.9), Level.of_alpha(0.3)),
        (Level.of_flow(0.2), Level.of_flow(0.7)),
        (Level(0.8, 0.3), Level(0.7, 2.0)),
    ],
)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow_prediction"])
def test_a_step_up_is_a_step_down_turned_round(
    prediction: Prediction, lower: Level, upper: Level
) -> None:
    x, output = torch.randn(2, 1, 4, 3, 3, dtype=torch.float64)
    moment = Moment(1, 1, torch.tensor(0), lower, upper)
    up, clean = solvers.Ascent(prediction, [moment])(lambda _x, _moment: output, x, moment)
    estimates = split(up, output, upper, prediction)
    torch.testing.assert_close(noised(*estimates, lower), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(clean, estimates[0], atol=1e-12, rtol=0)


def test_a_step_up_the_flow_is_eulers() -> None:
    x, output = torch.randn(2, 1, 4, 3, 3, dtype=torch.float64)
    for lower, upper in ((0.2, 0.7), (0.0, 1.0)):
        moment = Moment(1, 1, torch.tensor(0), Level.of_flow(lower), Level.of_flow(upper))
        up, _ = solvers.Ascent("flow_prediction", [moment])(lambda _x, _moment: output, x, moment)
        torch.testing.assert_close(up, x + (upper - lower) * output, atol=1e-12, rtol=0)


def test_what_no_scheduler_knows_to_predict_is_one_sentence() -> None:
    for unknown in ("flow_prediction", "velocity"):
        with pytest.raises(ValueError, match=rf"^No scheduler here .*\({unknown}\).*\.$"):
            solvers.make("ddim", {**toys.EPSILON, "prediction_type": unknown}, 4)


def test_inversion_round_trip_improves_with_the_steps() -> None:
    deviation, x = 0.5, torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
    errors = []
    for steps in (25, 100):
        up = solvers.ascent(toys.V, steps)
        truth = toys.gaussian(deviation, up.prediction)
        trajectory: list[Tensor] = []
        top = finish(invert(x, truth, up, trajectory))
        assert len(trajectory) == steps + 1
        assert torch.equal(trajectory[0], x)
        assert torch.equal(trajectory[-1], top)
        back = finish(walk(top, truth, solvers.make("ddim", toys.V, steps)))
        errors.append(float((back - x).abs().max()))
    assert errors[1] < errors[0] / 3, errors


@pytest.mark.parametrize("config", toys.CONFIGS.values(), ids=toys.CONFIGS)
def test_ddim_upwards_turns_each_step_round(config: dict[str, Any]) -> None:
    """A network that does not look at x answers the same both ways, so nothing is lost."""
    answers = noise.draw(noise.generators(range(12)), (1, 4, 4)).double()
    x = noise.draw(noise.generators([20]), (1, 4, 4)).double()
    up, down = solvers.ascent(config, 12), solvers.make("ddim", config, 12)
    top = finish(walk(x, lambda _x, moment: answers[12 - moment.index][None], up))
    assert (top - x).abs().max() > 0.5
    back = finish(walk(top, lambda _x, moment: answers[moment.index - 1][None], down))
    torch.testing.assert_close(back, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", solvers.CLASSES)
def test_a_row_does_not_depend_on_its_neighbours(name: str) -> None:
    def run(seeds: list[int]) -> Tensor:
        generators = noise.generators(seeds)
        solver = solvers.make(name, toys.V, 5, generators=generators)
        x = noise.draw(generators, (1, 4, 4))
        return finish(walk(x, toys.gaussian(0.7, solver.prediction), solver))

    together = run([11, 12, 13])
    for row, seed in enumerate((11, 12, 13)):
        torch.testing.assert_close(together[row : row + 1], run([seed]), atol=1e-5, rtol=1e-5)


SCHEDULES: dict[str, dict[str, Any]] = {
    "leading": {"timestep_spacing": "leading"},
    "trailing": {"timestep_spacing": "trailing"},
    "linspace": {"timestep_spacing": "linspace"},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sigma_min": {"final_sigmas_type": "sigma_min"},
}


@pytest.mark.parametrize(
    ("name", "spacing", "steps"),
    pairwise({"name": [*solvers.CLASSES], "spacing": [*SCHEDULES], "steps": [1, 4, 20]}),
)
def test_a_run_starts_at_its_level_and_takes_the_grids_steps_below(
    name: str, spacing: str, steps: int
) -> None:
    config = {**toys.V, **SCHEDULES[spacing]}
    whole = solvers.make(name, config, steps).moments
    times = [float(moment.t) for moment in whole]
    alphas = solvers.make("ddim", config, steps).scheduler.alphas_cumprod
    levels = [0.0]
    for percent in (1, 5, 20, 33, 50, 58, 75, 99, 100):
        solver = solvers.make(name, config, steps, percent / 100)
        first, *rest = solver.moments
        below = whole[steps - len(rest) :]
        assert [(float(m.t), m.here, m.next) for m in rest] == [
            (float(m.t), m.here, m.next) for m in below
        ]
        exact = np.interp(steps * (1 - percent / 100), range(steps + 1), [*times, -1])
        if steps * percent % 100 == 0:
            assert float(first.t) == times[steps * (100 - percent) // 100]
        elif int(first.t) == first.t and first.t not in times:
            assert abs(float(first.t) - max(exact, 0)) <= 0.5 + 1e-6
            assert first.here.noise == pytest.approx(float(1 - alphas[int(first.t)]) ** 0.5)
        else:  # the next whole time lies beyond a place, and so the run starts there
            assert min(abs(float(first.t) - t) for t in times) == 0
        assert 0 <= first.next.noise <= first.here.noise  # equal at the least level that is kept
        assert [m.index for m in solver.moments] == [*range(1, len(solver.moments) + 1)]
        levels.append(first.here.noise)
    assert levels == sorted(levels)
    assert len(solvers.make(name, config, steps, 0.0).moments) == 0


@pytest.mark.parametrize("spacing", SCHEDULES)
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_each_step_from_between_two_places_lands_on_its_level(name: str, spacing: str) -> None:
    """For a point mass every deterministic step is exact, however long it is; DDIM's own need not
    end where the next one starts."""
    y = torch.tensor([[[[1.5, -0.5], [0.25, -2.0]]]])
    e = noise.draw(noise.generators([3]), y.shape[1:])
    for steps, strength in ((1, 0.3), (3, 0.5), (7, 0.77), (20, 0.04)):
        solver = solvers.make(name, {**toys.V, **SCHEDULES[spacing]}, steps, strength)
        x = noised(y, e, solver.start.level)
        steps_taken = walk(x, toys.point_mass(y, solver.prediction), solver)
        for step in islice(steps_taken, 1 if name == "ddim" else None):
            expected = noised(y, e, step.moment.next)
            torch.testing.assert_close(step.latents, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "kind", "steps"),
    kinds_with("steps", [61, 103, 121, 122]),
)
def test_there_are_as_many_trailing_steps_as_were_asked_for(
    name: str, kind: str, steps: int
) -> None:
    """numpy's arange gives diffusers one too many, at time -1."""
    solver = solvers.make(name, {**toys.CONFIGS[kind], "timestep_spacing": "trailing"}, steps)
    assert len(solver.moments) == steps
    assert solver.moments[-1].t >= 0
    if name == "ddim":  # whose own steps may end at time 0
        return
    assert solver.moments[-1].next == CLEAN
    generators = noise.generators([1])
    solver = replace(solver, generators=generators, moments=solver.moments[-3:])
    if hasattr(solver.scheduler, "set_begin_index"):
        solver.scheduler.set_begin_index((steps - 3) * solver.scheduler.order)
    y = torch.full((1, 1, 2, 2), 0.5)
    x = noised(y, noise.draw(generators, y.shape[1:]), solver.moments[0].here)
    end = finish(walk(x, toys.point_mass(y, solver.prediction), solver))
    torch.testing.assert_close(end, y, atol=2e-3, rtol=0)


def test_a_gray_counts_the_steps_that_start_at_no_more_noise() -> None:
    solver = solvers.make("ddim", toys.V_ZERO, 4, 0.8)  # trailing: times 799, 749, 499, 249
    assert [int(moment.t) for moment in solver.moments] == [799, 749, 499, 249]
    asked = {0.0: 0, 0.2: 0, 0.249: 0, 0.25: 1, 0.49: 1, 0.5: 2, 0.75: 3, 0.79: 3, 0.8: 4, 1.0: 4}
    assert {strength: solver.steps_from(strength) for strength in asked} == asked


@pytest.mark.parametrize(
    ("name", "config", "options", "sentence"),
    [
        ("heun", toys.V_ZERO, {}, "zero terminal SNR"),
        ("euler_ancestral", {**toys.V, "prediction_type": "sample"}, {}, "the picture itself"),
        ("euler", toys.V, {"eta": 0.5}, "choose DDIM"),
        ("lcm", toys.V, {"steps": 60}, "at most 50 steps"),
        ("ddim", {**toys.EPSILON, "rescale_betas_zero_snr": True}, {}, "cannot predict epsilon"),
    ],
)
def test_what_cannot_run_is_refused_with_a_sentence(
    name: str, config: solvers.Config, options: dict[str, Any], sentence: str
) -> None:
    settings: dict[str, Any] = {"steps": 10, **options}
    with pytest.raises(ValueError, match=sentence):
        solvers.make(name, config, **settings)


def test_an_unknown_default_becomes_dpmpp_2m_with_a_note() -> None:
    name, note = solvers.resolve("default", {"_class_name": "PNDMScheduler"})
    assert name == "dpmpp_2m"
    assert "PNDMScheduler" in note
    assert solvers.resolve("default", toys.V) == ("ddim", "")


@pytest.mark.parametrize("to_one", [True, False])
def test_ddim_ends_where_its_configuration_says(to_one: bool) -> None:
    """Without an offset the last but one step ends at time 0, which is not yet clean."""
    config = {**toys.EPSILON, "steps_offset": 0, "set_alpha_to_one": to_one}
    moments = solvers.make("ddim", config, 50).moments
    first = Level.of_alpha(1 - 0.00085)  # one step of the schedule's first beta
    assert [int(each.t) for each in moments[-2:]] == [20, 0]
    assert moments[-2].next == pytest.approx(first, abs=1e-6)
    assert moments[-1].next == pytest.approx(CLEAN if to_one else first, abs=1e-6)
