"""Comparing against a plain batch of the same rows, and against the published explicit maps.

    plain       the same prompts as rows of one batch, guided, through the same walk; no control
    ours        pipelines.prompt_to_prompt, drained
    published   benchmarks.published: every map of every layer made, edited and stored

The memory of each is what a fresh process holds at most while it denoises, above what it holds with
the model loaded. Decoding, which all three do alike, is left out of that: it would hide the rest.
"""

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from itertools import islice
from typing import Any

from PIL import Image
from torch import Tensor

from benchmarks import published
from benchmarks.speed import process
from benchmarks.speed.bench import Bench, strokes
from benchmarks.speed.report import Figure, Table
from benchmarks.speed.rounds import (
    Picture,
    Seconds,
    Side,
    Spread,
    agreed,
    ratio,
    timed,
)
from pipelines import LocalBlend, PromptEdit, PromptToPrompt, drain, prompt_to_prompt
from pipelines.core import noise, solvers
from pipelines.core.guidance import guided
from pipelines.core.sampling import walk
from pipelines.networks.conditioning import Conditioning
from pipelines.prompt_to_prompt import INVERSIONS, Sources

SOURCE = "a red house on a meadow by day"
SWAPPED = "a blue tower on a meadow by day"
LONGER = "a red house on a meadow near snowy mountains by day"
LAYOUT = 0.5  # of the steps
SEED = 1
EDITS = {
    "replace": PromptEdit(prompt=SWAPPED, self_replace_steps=LAYOUT),
    "refine": PromptEdit(prompt=LONGER, self_replace_steps=LAYOUT),
    "reweight": PromptEdit(prompt=SOURCE, weights={"red": 3.0}, self_replace_steps=LAYOUT),
    "local blend": PromptEdit(
        prompt=SWAPPED,
        self_replace_steps=LAYOUT,
        local_blend=LocalBlend(source=("house",), target=("tower",)),
    ),
}
PLAIN, OURS, PUBLISHED = "a plain batch", "`pipelines.prompt_to_prompt`", "explicit maps"
Kinds = tuple[str, ...]


def measure(bench: Bench) -> list[Table]:
    every, quick = tuple(EDITS), bench.settings.quick
    one: list[Kinds] = [(kind,) for kind in (every[:2] if quick else every)]
    return [
        timed_table(bench, "Comparing, 1 edit", one, 0.4),
        timed_table(bench, f"Comparing, {len(every)} edits", [every], 0.4),
        memory_table(bench, [every] if quick else [one[0], every]),
        caching(bench),
    ]


# --- the sides -----------------------------------------------------------------------------------


def plain(bench: Bench, kinds: Kinds) -> Tensor:
    """The latents of the source and its edits, without control."""
    bundle, asked = bench.bundle, bench.settings
    size = (bundle.size, bundle.size)
    prompts = [SOURCE, *(EDITS[kind].prompt for kind in kinds)]
    words = reduce(Conditioning.over, [bundle.embed(each, size) for each in prompts])
    without = bundle.embed("", size, negative=True)
    generators = noise.generators([SEED] * len(prompts))
    solver = solvers.make(
        "default",
        bundle.scheduler_config,
        asked.steps,
        generators=generators,
        device=bundle.device,
    )
    shape = (bundle.channels, *(side // bundle.cell for side in size))
    x = solver.prior(noise.draw(generators, shape, bundle.device))
    return drain(walk(x, guided(bundle, words, without, asked.guidance), solver))


def explicit(bench: Bench, kinds: Kinds) -> Tensor:
    asked = bench.settings
    recipes = [recipe(bench, EDITS[kind]) for kind in kinds]
    return published.prompt_to_prompt(
        bench.bundle, SOURCE, recipes, asked.steps, asked.guidance, SEED
    )[-1]


def ours(bench: Bench, kinds: Kinds) -> Tensor:
    run = prompt_to_prompt(bench.bundle, request(bench, kinds))
    *_, last = islice(run, bench.settings.steps)
    run.close()
    return last.latents


def request(bench: Bench, kinds: Kinds) -> PromptToPrompt:
    return PromptToPrompt(
        prompt=SOURCE,
        edits=tuple(EDITS[kind] for kind in kinds),
        seed=SEED,
        **bench.settings.asked(),
    )


def pictures(way: str, bench: Bench, kinds: Kinds) -> list[Image.Image]:
    """The whole of it, from words to pictures."""
    if way == OURS:
        return list(drain(prompt_to_prompt(bench.bundle, request(bench, kinds))).images)
    return bench.bundle.decode(WAYS[way](bench, kinds))


def recipe(bench: Bench, edit: PromptEdit) -> published.Recipe:
    """An edit as the published algorithm takes it."""
    bundle = bench.bundle
    half = bundle.size // bundle.cell // edit.self_replace_reduction
    blend = None
    if edit.local_blend is not None:
        (there,), (here,) = edit.local_blend.source, edit.local_blend.target
        blend = published.Blend((_tokens(bench, SOURCE, there), _tokens(bench, edit.prompt, here)))
    return published.Recipe(
        edit.prompt,
        index=published.refined(bundle.tokenizers[0], SOURCE, edit.prompt)
        if edit.prompt == LONGER
        else None,
        equalizer={
            token: weight
            for word, weight in edit.weights.items()
            for token in _tokens(bench, edit.prompt, word)
        },
        layout=(0.0, LAYOUT),
        layout_pixels=half * half,
        blend=blend,
        map_pixels=16 * 16,
    )


def _tokens(bench: Bench, prompt: str, word: str) -> list[int]:
    return list(bench.bundle.read(prompt).find(word) or ())


WAYS = {PLAIN: plain, OURS: ours, PUBLISHED: explicit}


# --- the tables ----------------------------------------------------------------------------------


def timed_table(bench: Bench, title: str, several: Sequence[Kinds], share: float) -> Table:
    """A row of each side for each set of edits; the plain batch is the same for all sets."""
    rows: dict[str, dict[str, Figure]] = {}
    sides: dict[str, Side] = {PLAIN: partial(pictures, PLAIN, bench, several[0])}
    source = pictures(PLAIN, bench, several[0])[0]
    for kinds in several:
        mine, theirs = name(OURS, kinds), name(PUBLISHED, kinds)
        drawn: dict[str, Sequence[Picture]] = {
            theirs: pictures(PUBLISHED, bench, kinds),
            mine: pictures(OURS, bench, kinds),
        }
        differences = agreed(drawn, theirs, bench.settings.dtype)
        agreed({PLAIN: [source], mine: drawn[mine][:1]}, PLAIN, bench.settings.dtype)
        sides |= {
            mine: partial(pictures, OURS, bench, kinds),
            theirs: partial(pictures, PUBLISHED, bench, kinds),
        }
        rows[mine] = {"differs by, of 255": differences[mine]}
    seconds = bench.rounds(sides, title, share)
    for side in sides:
        rows[side] = _times(seconds, side) | rows.get(side, {})
    ordered = {side: rows[side] for side in sides}
    return Table(
        title,
        "The source and its edits from one seed, in one batch; differs: from the explicit maps.",
        ordered,
    )


def counted(kinds: Kinds) -> str:
    return f"{len(kinds)} edit{'s' * (len(kinds) > 1)}"


def name(way: str, kinds: Kinds) -> str:
    return f"{way}, {kinds[0]}" if len(kinds) == 1 else way


def _times(seconds: Seconds, side: str) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        "a comparison, s": Spread.of(seconds[side]),
        "ratio to a plain batch": ratio(seconds, side, PLAIN),
    }
    peer = side.replace(OURS, PUBLISHED)
    if peer != side:
        figures["ratio to explicit maps"] = ratio(seconds, side, peer)
    return figures


def memory_table(bench: Bench, several: Sequence[Kinds]) -> Table:
    rows: dict[str, dict[str, Figure]] = {}
    for kinds in several:
        about = counted(kinds)
        held = {way: process.held(bench, partial(_prepared, way, kinds)) for way in WAYS}
        for way, each in held.items():
            rows[f"{way}, {about}"] = {
                "with the model loaded, MB": each.resident,
                "more at most, MB": each.peak,
                "ratio to a plain batch": each.peak / held[PLAIN].peak,
                "ratio to explicit maps": each.peak / held[PUBLISHED].peak,
            }
    return Table(
        "Memory of a comparison",
        "While denoising, before anything is decoded; each in a fresh process.",
        rows,
    )


def _prepared(way: str, kinds: Kinds, bench: Bench) -> Side:
    _ = bench.bundle  # loaded before anything is measured
    return partial(WAYS[way], bench, kinds)


def caching(bench: Bench) -> Table:
    """However the source came to be; what takes long is timed once."""
    every = {"drawn by seed": {}, **_inversions(bench)}
    return second_edit(bench, every, 0.4)


def second_edit(bench: Bench, sources: Mapping[str, dict[str, Any]], share: float) -> Table:
    """A source, edited a second time; what is known of it is kept as the studio keeps it."""
    rows: dict[str, dict[str, Figure]] = {}
    for name, given in sources.items():
        slow = given.get("inversion") == "null-text"
        first, second = (
            PromptToPrompt(prompt=SOURCE, edits=(EDITS[kind],), **given, **bench.settings.asked())
            for kind in ("replace", "refine")
        )
        seconds: Seconds = {"first": [], "second": []}
        for _ in range(1 if slow else max(round(bench.settings.rounds * share), 1)):
            kept = Sources()
            for which, request in (("first", first), ("second", second)):
                side = partial(_given, bench, request, kept)
                seconds[which].append(timed(side, bench.bundle.device))
        if not slow:
            _check_kept(bench, first, second)
        rows[name] = {
            "the first edit, s": Spread.of(seconds["first"]),
            "the second, s": Spread.of(seconds["second"]),
            "ratio to the first": ratio(seconds, "second", "first"),
        }
    return Table("A second edit of the same source", "What is known of the source is kept.", rows)


def _inversions(bench: Bench) -> dict[str, dict[str, Any]]:
    picture = strokes(bench.bundle.size)
    return {
        f"given, {about.partition(':')[0]}": {"image": picture, "inversion": method}
        for method, about in INVERSIONS.items()
    }


def _given(bench: Bench, request: PromptToPrompt, kept: Sources) -> list[Image.Image]:
    return list(drain(prompt_to_prompt(bench.bundle, request, kept)).images)


def _check_kept(bench: Bench, first: PromptToPrompt, second: PromptToPrompt) -> None:
    """A kept source draws what a fresh one does."""
    kept = Sources()
    _given(bench, first, kept)
    drawn = {"kept": _given(bench, second, kept), "fresh": _given(bench, second, Sources())}
    agreed(drawn, "fresh", bench.settings.dtype)
