"""From a picture back to the noise that draws it, and what holds the way back to that picture."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.optim import Adam

from pipelines.core import preview, solvers
from pipelines.core.difference import psnr
from pipelines.core.guidance import guided
from pipelines.core.latest import Latest, digest
from pipelines.core.sampling import Moment, Predict, Solver, Step, View, Views, Walk, walk
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.protocol import Networks
from pipelines.words.prompt import Prompt


def invert(
    x: Tensor, predict: Predict, solver: Solver, trajectory: list[Tensor], view: View | None = None
) -> Walk:
    """Walk upwards with a solver of `solvers.ascent`; returns the latents at the top.

    `trajectory` receives the latents of every level, the clean ones first: what a walk down can be
    held to (direct inversion, DiffEdit's background).
    """
    trajectory.append(x)

    def record(x: Tensor, _moment: Moment) -> Tensor:
        trajectory.append(x)
        return x

    extra = {} if view is None else {"view": view}
    return (yield from walk(x, predict, solver, record, phase="inverting", **extra))


@torch.no_grad()
def null_text(
    networks: Networks,
    trajectory: Sequence[Tensor],
    words: Conditioning,
    without: Conditioning,
    guidance_scale: float,
    solver: Solver,
    view: View,
) -> Generator[Step, None, list[Conditioning]]:
    """Null-text inversion (Mokady et al., arXiv:2211.09794, Algorithm 1), a step at a time.

    `trajectory` [1, C, h, w] each is the recorded way up, `solver` a deterministic way down of as
    many steps. Returns what to put in place of `without` at each step so that guided sampling of
    the source's `words` follows the way back. Each step says its loss in its phase. Official
    values, for 50 steps: Adam with 1e-2 (1 - i/100), at most 10 updates, fewer once the loss is
    below 1e-5 + 2e-5 i; for another number of steps i grows as fast over the whole.
    """
    x = trajectory[-1]
    found: list[Conditioning] = []
    for moment in solver.moments:
        i = 50 * (moment.index - 1) / moment.total
        pivot = trajectory[-1 - moment.index]
        tuning = _Tuning(networks, solver, x, moment, pivot, words, guidance_scale)
        without, loss = tuning.run(without, rate=1e-2 * (1 - i / 100), enough=1e-5 + 2e-5 * i)
        found.append(without)
        predict = guided(networks, words, without, guidance_scale)
        x, clean = solver(predict, x, moment)
        yield Step(f"tuning, loss {loss:.1e}", moment, x, clean, partial(view, clean))
    return found


@dataclass(frozen=True, slots=True)
class _Tuning:
    """One step of null-text inversion."""

    networks: Networks
    solver: Solver
    x: Tensor
    moment: Moment
    pivot: Tensor
    words: Conditioning
    guidance_scale: float

    @torch.enable_grad()
    def run(
        self, without: Conditioning, rate: float, enough: float, updates: int = 10
    ) -> tuple[Conditioning, float]:
        """Better embeddings for this step, and the loss they started the last update from."""
        t = self.moment.t
        tokens = without.tokens.detach().to(self.pivot.dtype).clone().requires_grad_(True)
        adam = Adam([tokens], lr=rate)
        with torch.no_grad():
            conditional = self.networks.predict(self.x, t, self.words)
        loss = torch.tensor(math.inf)
        with self.networks.gradient_checkpointing():
            for _ in range(updates):
                here = replace(without, tokens=tokens)
                unconditional = self.networks.predict(self.x, t, here)
                output = unconditional + self.guidance_scale * (conditional - unconditional)
                x, _clean = self.solver(lambda _x, _moment: output, self.x, self.moment)  # noqa: B023 (called at once)
                loss = F.mse_loss(x, self.pivot)
                adam.zero_grad()
                loss.backward()
                adam.step()
                if loss.item() < enough:
                    break
        return replace(without, tokens=tokens.detach()), loss.item()


@dataclass(frozen=True, slots=True)
class Inversion:
    """A picture's way up, and what keeps the way down on it.

    `without` is what guidance subtracts: one for all steps, or one a step.
    """

    way: Sequence[Tensor]  # [1, C, h, w] each, the clean latents first
    ceiling: float  # dB, how near the autoencoder can bring the clean latents to the picture
    without: Sequence[Conditioning] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """How a picture is to be inverted; together with the picture and the model, the cache's key."""

    method: str  # "direct", "negative-prompt" or "null-text"
    prompt: Prompt
    negative_prompt: Prompt
    guidance_scale: float
    num_inference_steps: int


def inverted(
    networks: Networks, picture: Image.Image, asked: Asked, inversions: Latest[Inversion]
) -> Generator[Step, None, Inversion]:
    """A picture's way up by DDIM, with its words alone, and what guidance is to subtract later.

    What `inversions` knows of it takes no step. For direct inversion the negative words stay; for
    negative-prompt inversion (Miyake et al., arXiv:2305.16807) the picture's own words take their
    place; for null-text inversion they are tuned.
    """
    config, steps = networks.scheduler_config, asked.num_inference_steps
    words = networks.embed(asked.prompt, picture.size)
    without = networks.embed(asked.negative_prompt, picture.size, negative=True)

    def view(clean: Tensor) -> Views:
        return {"0": preview.pictures(networks, clean)[0]}

    key = (digest(picture), asked.prompt.text, steps)
    found = inversions.find(networks, key)
    if found is None:
        way: list[Tensor] = []
        up = solvers.ascent(config, steps, device=networks.device)
        start = networks.encode(picture, [])
        yield from invert(start, guided(networks, words, words, 1.0), up, way, view)
        found = Inversion(way, psnr(picture, networks.decode(way[0])[0]))
        inversions.keep(networks, key, found)
    if asked.method == "negative-prompt":
        return replace(found, without=[words])
    if asked.method == "direct" or asked.guidance_scale <= 1:
        return replace(found, without=[without])

    exact_key = (*key, asked)
    exact = inversions.find(networks, exact_key)
    if exact is None:
        down = solvers.make("ddim", config, steps, device=networks.device)
        tuned = yield from null_text(
            networks, found.way, words, without, asked.guidance_scale, down, view
        )
        exact = replace(found, without=tuned)
        inversions.keep(networks, exact_key, exact)
    return exact
