"""Solvers by name: one adapter over diffusers' schedulers, and DDIM upwards.

diffusers' schedulers each make their own times and keep state, and some live in x / sqrt(A)
coordinates. Here x is always signal * clean + noise * e; the adapter converts at its border and
hands the scheduler the network's own output, so every parametrisation is diffusers' own to the bit.
"""

import copy
import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import diffusers
import torch
from torch import Tensor

from pipelines.core.grid import CLEAN_TIME, Grid, Start
from pipelines.core.noise import Generators
from pipelines.core.sampling import Moment, Predict
from pipelines.core.schedule import CLEAN, Level, Prediction, noised, split
from pipelines.networks.header import shown
from pipelines.request import SCHEDULERS

CLASSES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
}
MULTISTEP = {"dpmpp_2m", "unipc"}  # a step remembers the steps before it
EXPLODING = {"euler", "euler_ancestral", "heun"}  # these hold x / sqrt(A)
DPM_ALGORITHMS = (None, "dpmsolver++", "sde-dpmsolver++")
BY_SIGMA = EXPLODING | MULTISTEP  # their levels are in `sigmas`; the others' in `alphas_cumprod`

PREDICTIONS = ("epsilon", "v_prediction", "sample")  # that these know

Config = Mapping[str, Any]  # a checkpoint's scheduler_config.json


def resolve(name: str, config: Config) -> tuple[str, str]:
    """A scheduler's name → (the one that will run, a note for the user or "")."""
    if name != "default":
        return name, ""
    own = config.get("_class_name")
    for known, class_name in CLASSES.items():
        if class_name == own:
            return known, ""
    return (
        "dpmpp_2m",
        f"The model's own scheduler ({own}) is not offered here; DPM++ 2M ran instead.",
    )


def offered(config: Config) -> list[str]:
    """The scheduler names that suit a checkpoint, "default" first."""
    return [name for name in SCHEDULERS if not _misfit(name, config)]


def _misfit(name: str, config: Config) -> str:
    """Why a scheduler cannot run with a checkpoint, or ""."""
    if name == "heun" and config.get("rescale_betas_zero_snr"):
        return "ignores this model's zero terminal SNR"
    if name == "euler_ancestral" and config.get("prediction_type") == "sample":
        return "knows no model that predicts the picture itself"
    return ""


def make(
    name: str,
    config: Config,
    steps: int,
    strength: float = 1.0,
    *,
    generators: Generators = (),
    eta: float = 0.0,
    corrector: bool = True,
    device: torch.device | str = "cpu",
) -> "Scheduled":
    """A fresh solver of `steps` steps that starts at `strength` (core/grid.py).

    It takes the scheduler's own steps below that level; without any at strength 0.
    `generators`, one per row, feed the stochastic solvers. `eta` in [0, 1] makes DDIM stochastic.
    `corrector=False` switches UniPC's corrector off, which forgets what a `revise` wrote; needed
    whenever a revise is not a fixed hard mask. Raises ValueError with a sentence for the user.
    """
    name, _ = resolve(name, config)
    prediction: Prediction = config.get("prediction_type", "epsilon")
    zero_snr = bool(config.get("rescale_betas_zero_snr"))
    if why := _misfit(name, config):
        raise ValueError(f"{SCHEDULERS[name]} {why}; choose another scheduler.")
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"No scheduler here knows what this model predicts ({shown(str(prediction))}); "
            "its config is wrong."
        )
    if zero_snr and prediction == "epsilon":
        raise ValueError(
            "A model with zero terminal SNR cannot predict epsilon; its config is wrong."
        )
    if eta and name != "ddim":
        raise ValueError("Eta makes DDIM stochastic; set it to 0 or choose DDIM as the scheduler.")

    extra: dict[str, Any] = {}
    if name == "unipc" and not corrector:
        extra["disable_corrector"] = list(range(steps))
    if name in ("ddim", "ddpm"):  # where a config is silent they would cut latents to [-1, 1]
        extra["clip_sample"] = config.get("clip_sample", False)
    if name == "dpmpp_2m" and config.get("algorithm_type") not in DPM_ALGORITHMS:
        extra["algorithm_type"] = "dpmsolver++"  # DEIS has another one, which it refuses
    scheduler = getattr(diffusers, CLASSES[name]).from_config(dict(config), **extra)
    if name == "lcm" and steps > scheduler.config.original_inference_steps:
        raise ValueError(
            f"LCM takes at most {scheduler.config.original_inference_steps} steps, not {steps}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Heun takes the log of sigma 0
        scheduler.set_timesteps(steps, device=device)
    _trim(scheduler, steps)
    grid = _grid(name, scheduler)
    start = grid.start(strength)
    entry = _begun(name, scheduler, grid, start)
    return Scheduled(
        name=name,
        scheduler=scheduler,
        prediction=prediction,
        entry=entry,
        moments=tuple(_moments(name, scheduler, grid, start)),
        grid=grid,
        start=start,
        generators=tuple(generators),
        eta=eta,
    )


def _trim(scheduler: Any, steps: int) -> None:
    """Drop the step too many, at time -1, that diffusers makes of 61, 103, 121 or 122 trailing."""
    most = steps * scheduler.order - (scheduler.order - 1)
    if len(scheduler.timesteps) > most:
        scheduler.timesteps = scheduler.timesteps[:most]
        scheduler.num_inference_steps = steps
        if hasattr(scheduler, "sigmas"):
            scheduler.sigmas = torch.cat([scheduler.sigmas[:most], scheduler.sigmas[-1:]])


def _begun(name: str, scheduler: Any, grid: Grid, start: Start) -> Any:
    """Set the scheduler to where a run starts; returns the scheduler of its first step.

    Between two places the upper one is moved down to the start, so the first step is shorter than
    the scheduler's own.
    """
    first = start.place * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    if start.t is None:
        return scheduler
    scheduler.timesteps[first] = start.t
    if name in BY_SIGMA:
        scheduler.sigmas[first] = start.level.noise / start.level.signal
    if name != "ddim":
        return scheduler
    # DDIM goes down by num_train_timesteps // num_inference_steps, wherever its next timestep is.
    entry = copy.copy(scheduler)
    after = (*grid.times, CLEAN_TIME)[start.place + 1]
    entry.register_to_config(num_train_timesteps=start.t - int(after))
    entry.num_inference_steps = 1
    return entry


def _grid(name: str, scheduler: Any) -> Grid:
    times: list[float] = scheduler.timesteps[:: scheduler.order].tolist()
    alphas = scheduler.alphas_cumprod
    if name in BY_SIGMA:
        sigmas = scheduler.sigmas.tolist()
        levels = [Level.of_sigma(s) for s in [*sigmas[: -1 : scheduler.order], sigmas[-1]]]
    else:
        end = Level.of_alpha(float(scheduler.final_alpha_cumprod)) if name == "ddim" else CLEAN
        levels = [*(Level.of_alpha(float(alphas[int(t)])) for t in times), end]
    return Grid(times, levels, alphas)


def _moments(name: str, scheduler: Any, grid: Grid, start: Start) -> list[Moment]:
    steps = len(grid.times)
    made: list[Moment] = []
    for k in range(start.place, steps):
        here, after = grid.levels[k : k + 2]
        if k == start.place:
            here = start.level
        if name == "ddim" and (k > start.place or start.t is None):
            after = _ddim_end(scheduler, int(scheduler.timesteps[k]))
        t = scheduler.timesteps[k * scheduler.order]
        made.append(Moment(k - start.place + 1, steps - start.place, t, here, after))
    return made


def _ddim_end(scheduler: Any, t: int) -> Level:
    """Where DDIM's own step from t ends, which need not be the next timestep."""
    t -= scheduler.config.num_train_timesteps // scheduler.num_inference_steps
    alpha = scheduler.alphas_cumprod[t] if t >= 0 else scheduler.final_alpha_cumprod
    return Level.of_alpha(float(alpha))


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A diffusers scheduler as a solver."""

    name: str
    scheduler: Any
    prediction: Prediction
    entry: Any  # the scheduler of the first step
    moments: Sequence[Moment]
    grid: Grid
    start: Start
    generators: Generators = ()
    eta: float = 0.0
    _options: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        accepted = inspect.signature(self.scheduler.step).parameters
        offered = {"generator": list(self.generators) or None, "eta": self.eta}
        options = {key: value for key, value in offered.items() if key in accepted}
        object.__setattr__(self, "_options", options)

    @property
    def multistep(self) -> bool:
        return self.name in MULTISTEP

    def steps_from(self, strength: float) -> int:
        """How many of the steps start at no more noise than a run of `strength` does."""
        most = self.grid.start(strength).level.noise
        return sum(strength > 0 and moment.here.noise <= most for moment in self.moments)

    def last_of(self, total: int) -> "Scheduled":
        """The same run, its moments counted as the last of `total`."""
        skipped = total - len(self.moments)
        moments = [replace(each, index=each.index + skipped, total=total) for each in self.moments]
        return replace(self, moments=moments)

    def part(self, begin: int, end: int, generators: Generators) -> "Scheduled":
        """The same run's moments `begin`..`end` for another set of rows (one-step solvers only)."""
        return replace(self, moments=self.moments[begin:end], generators=tuple(generators))

    def prior(self, noise: Tensor) -> Tensor:
        """Where plain generation starts, as in diffusers: the noise by its initial sigma."""
        scale = float(self.scheduler.init_noise_sigma)
        return noise * (scale * self.moments[0].here.signal if self._exploding else scale)

    def __call__(self, predict: Predict, x: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        output = predict(x, moment)
        clean, _ = split(x, output, moment.here, self.prediction)
        x = self._step(output, x, moment.here, moment.next, moment.t)
        halfway = self.scheduler.order == 2 and moment.next.noise > 0
        if halfway:  # Heun asks the network again where the first half landed
            t = self.scheduler.timesteps[self.scheduler.step_index]
            again = replace(moment, t=t, here=moment.next)
            x = self._step(predict(x, again), x, moment.next, moment.next, t)
        return x, clean

    @property
    def _exploding(self) -> bool:
        return self.name in EXPLODING

    def _step(self, output: Tensor, x: Tensor, here: Level, after: Level, t: Tensor) -> Tensor:
        if not self._exploding:
            scheduler = self.entry if here == self.start.level else self.scheduler
            return scheduler.step(output, t, x, return_dict=False, **self._options)[0]
        self.scheduler.is_scale_input_called = True  # x came scaled; the flag only guards a warning
        x = self.scheduler.step(output, t, x / here.signal, return_dict=False, **self._options)[0]
        return x * after.signal


@dataclass(frozen=True, slots=True)
class Ascent:
    """DDIM the other way, from the picture to its noise (Song et al., arXiv:2010.02502, eq. 13-14).

    As in the field's inversion code the network is asked at the upper time with x at the lower. A
    step is the solver's own step downwards, turned round for the output it gave: what comes back
    down differs only as far as the network answers otherwise at the upper x. For epsilon this is
    the field's formula; for v, to split x at the lower level instead would lose ten decibels
    (the embedded model, 20 steps).
    """

    prediction: Prediction
    moments: Sequence[Moment]

    def __call__(self, predict: Predict, x: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        output = predict(x, moment)
        (signal, noise), (upper_signal, upper_noise) = moment.here, moment.next
        across = signal * upper_noise - noise * upper_signal
        if self.prediction == "v_prediction":  # down, x turns by the angle less `across * output`
            squares = upper_signal**2 + upper_noise**2
            x = (squares * x + across * output) / (signal * upper_signal + noise * upper_noise)
        elif self.prediction == "flow_prediction":
            x = ((upper_signal + upper_noise) * x + across * output) / (signal + noise)
        else:
            _, estimate = split(x, output, moment.next, self.prediction)
            x = noised((x - noise * estimate) / signal, estimate, moment.next)
        clean, _ = split(x, output, moment.next, self.prediction)
        return x, clean


def ascent(
    config: Config, steps: int, strength: float = 1.0, device: torch.device | str = "cpu"
) -> Ascent:
    """The moments of `make("ddim", …)` upwards: from where that walk ends to where it starts."""
    down = make("ddim", config, steps, strength, device=device)
    total = len(down.moments)
    up = [
        Moment(index, total, moment.t, moment.next, moment.here)
        for index, moment in enumerate(reversed(down.moments), start=1)
    ]
    return Ascent(down.prediction, up)
