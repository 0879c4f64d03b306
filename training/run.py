"""A network in training against the clock: optimizer, averaged weights, checkpoints.

The schedule follows the fraction of a wall-clock budget that is used up, not a count of steps: on a
busy laptop a run makes fewer steps, and still ends with a learning rate of zero when it said it
would. A run that is stopped resumes from its checkpoint with the time it had used.

On a CPU a batch is cut into pieces, and every core takes the next piece by itself. Threads inside
each operation would have to meet after each one, thousands of times a step: wherever another
program wants a core for a moment, both would wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar, cast

import torch
from torch import nn

from training.progress import PROGRESS_SECONDS, say

CHECKPOINT_SECONDS = 150.0
LONGEST_SECONDS = 30.0  # that a step counts for: who pauses the process does not lose its time


M = TypeVar("M", bound=nn.Module)


class Run:
    """One module, its optimizers and its averaged copy; saved under `path`, resumed from there."""

    def __init__(
        self,
        module: nn.Module,
        path: Path,
        minutes: float,
        rate: Callable[[float], float],  # fraction of the budget -> learning rate
        workers: int,  # pieces of a batch that are worked on at a time
        decay: float = 0.995,
        optimizers: Sequence[torch.optim.Optimizer] = (),  # AdamW by default; they share the rate
        warm_up: int = 0,  # steps until the rate is reached, beside what `rate` says
    ) -> None:
        cast("Any", module).to(memory_format=torch.channels_last)  # a fast order for convolutions
        self.module = module.train()
        self.path = path
        self.seconds = minutes * 60
        self.rate = rate
        self.warm_up = warm_up
        self.decay = decay
        self.step = 0
        self.elapsed = 0.0
        self.losses: list[float] = []  # since the last line of progress
        self.optimizers = list(optimizers) or [adamw(module.parameters())]
        self.weights = list(module.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        if path.exists():
            self._resume()

    @property
    def fraction(self) -> float:
        """How much of the budget is used, 0..1."""
        return min(1.0, self.elapsed / self.seconds) if self.seconds else 1.0

    def steps(self) -> Iterator[int]:
        """Count steps until the budget is spent; keeps time, saves, reports."""
        last = saved = said = monotonic()
        while self.fraction < 1:
            yield self.step
            self.step += 1
            now = monotonic()
            self.elapsed += min(now - last, LONGEST_SECONDS)
            last = now
            if now - said > PROGRESS_SECONDS:
                self._report()
                said = now
            if now - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = now
        self.save()

    def descend(self, pieces: Sequence[Callable[[], torch.Tensor]]) -> None:
        """One step down the mean gradient of the pieces' losses; the average follows."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._rate()
        losses, gradients = zip(*self.pool.map(self._gradient, pieces), strict=True)
        for weight, *parts in zip(self.weights, *gradients, strict=True):
            weight.grad = torch.stack(parts).mean(0) if len(parts) > 1 else parts[0]
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for average, weight in zip(self.average, self.weights, strict=True):
            average.lerp_(weight.detach(), 1 - decay)
        self.losses += losses

    def _gradient(self, loss: Callable[[], torch.Tensor]) -> tuple[float, tuple[torch.Tensor, ...]]:
        value = loss()
        return value.item(), torch.autograd.grad(value, self.weights)

    def _rate(self) -> float:
        return self.rate(self.fraction) * min(1.0, (self.step + 1) / (self.warm_up + 1))

    def averaged(self, module: M) -> M:
        """Load the averaged weights into `module`, a second copy of the network; returns it."""
        with torch.no_grad():
            for parameter, average in zip(module.parameters(), self.average, strict=True):
                parameter.copy_(average)
        return module.eval()

    def save(self) -> None:
        """Write the checkpoint aside and move it into place."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        state = {
            "weights": self.module.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "elapsed": self.elapsed,
        }
        torch.save(state, aside)
        aside.rename(self.path)

    def _resume(self) -> None:
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        self.module.load_state_dict(state["weights"])
        self.average = [average.to(self.weights[0].device) for average in state["average"]]
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)  # AdamW's count of steps stays on the CPU
        self.step, self.elapsed = state["step"], state["elapsed"]
        say(f"{self.path.stem}: resumed at step {self.step}, {self.fraction:.0%} of its time used")

    def _report(self) -> None:
        mean = sum(self.losses) / max(1, len(self.losses))
        say(
            f"{self.path.stem}: {self.fraction:.0%} of {self.seconds / 60:.0f} min, "
            f"step {self.step}, loss {mean:.4f}, rate {self._rate():.1e}"
        )
        self.losses.clear()


def adamw(weights: Iterable[nn.Parameter], weight_decay: float = 0.01) -> torch.optim.AdamW:
    """The AdamW of every stage; `Run` sets its learning rate."""
    return torch.optim.AdamW(weights, lr=0.0, betas=(0.9, 0.98), weight_decay=weight_decay)
