"""What each of the usual levers gives: for a guided call of the denoiser, for a picture of a step.

Every row changes one thing of the first row, on the same latents and words, and says by how much
its answer moves: another format or kernel rounds otherwise.
"""

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.bench import PROMPT, Bench
from benchmarks.speed.report import Figure, Table
from benchmarks.speed.rounds import Side, Spread, ratio
from pipelines import Bundle
from pipelines.core import noise, preview

AS_IT_IS = "as it is"
LATE = 500  # a time in the middle
WHOLE = "the whole autoencoder's decoder"


@torch.no_grad()
def measure(bench: Bench) -> list[Table]:
    return [calls(bench), looks(bench)]


def calls(bench: Bench) -> Table:
    """A guided call, each row with one lever pulled."""
    bundle, size = bench.bundle, (bench.bundle.size, bench.bundle.size)
    without, words = bundle.embed("", size, negative=True), bundle.embed(PROMPT, size)
    x, t = _latents(bench), torch.tensor(LATE)

    def call(with_: Bundle) -> Tensor:
        return with_.predict(x.repeat(2, 1, 1, 1), t, without.over(words))

    def apart() -> Tensor:
        return torch.cat([bundle.predict(x, t, each) for each in (without, words)])

    def embedded() -> Tensor:
        again = bundle.embed(PROMPT, size)
        return bundle.predict(x.repeat(2, 1, 1, 1), t, without.over(again))

    sides: dict[str, Callable[[], Tensor]] = {
        AS_IT_IS: partial(call, bundle),
        "guidance in two calls, not in one batch": apart,
        "the words embedded at every step": embedded,
        "channels-last": partial(call, _with(bundle, memory_format=torch.channels_last)),
        "bfloat16": partial(call, _with(bundle, dtype=torch.bfloat16)),
    }
    if bundle.device.type == "cpu":
        sides["one thread"] = partial(_on_one_thread, partial(call, bundle))
    warm_up: dict[str, Figure] = {}
    if not bench.settings.quick:
        compiled = copy.copy(bundle)
        compiled.denoiser = torch.compile(bundle.denoiser)
        begun = time.perf_counter()
        call(compiled)
        warm_up["the first call, s"] = time.perf_counter() - begun
        sides["torch.compile"] = partial(call, compiled)

    expected = sides[AS_IT_IS]()
    rows: dict[str, dict[str, Figure]] = {
        name: {"moved": float((side() - expected).abs().max() / expected.abs().max())}
        for name, side in sides.items()
    }
    rows.get("torch.compile", {}).update(warm_up)
    return _table(
        bench,
        "What each lever gives a guided call of the denoiser",
        "Each row changes one thing of the first. Moved: the largest difference of the answer, as "
        "a share of its largest value.",
        {**sides},
        rows,
    )


def looks(bench: Bench) -> Table:
    """A picture of a step, by the map that previews are made with and by the decoder."""
    bundle, x = bench.bundle, _latents(bench)
    preview.pictures(bundle, x)  # fits the map
    sides: dict[str, Side] = {
        WHOLE: partial(bundle.decode, x),
        "the fitted map of previews": partial(preview.pictures, bundle, x),
    }
    about = "The latents of one step as a picture."
    return _table(bench, "What a preview costs", about, sides, {})


def _latents(bench: Bench) -> Tensor:
    bundle = bench.bundle
    cells = bundle.size // bundle.cell
    shape = (bundle.channels, cells, cells)
    return noise.draw(noise.generators([1]), shape, bundle.device)


def _with(bundle: Bundle, **format_: Any) -> Bundle:
    """The same model with a denoiser of another format."""
    other = copy.copy(bundle)
    other.denoiser = copy.deepcopy(bundle.denoiser).to(**format_)
    return other


def _on_one_thread(side: Callable[[], Tensor]) -> Tensor:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return side()
    finally:
        torch.set_num_threads(threads)


def _table(
    bench: Bench,
    title: str,
    about: str,
    sides: dict[str, Side],
    rows: dict[str, dict[str, Figure]],
) -> Table:
    """Each side's time, and its ratio to the first one's."""
    seconds = bench.rounds(sides, title)
    first = next(iter(sides))
    timed: dict[str, dict[str, Figure]] = {
        name: {
            "a call, ms": Spread.of([1000 * each for each in seconds[name]]),
            f"ratio to {first}": ratio(seconds, name, first),
            **rows.get(name, {}),
        }
        for name in sides
    }
    return Table(title, about, timed)
