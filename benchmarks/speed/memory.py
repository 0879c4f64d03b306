"""What each method holds in memory, and that many edits hold no more than few."""

from functools import partial

from benchmarks.speed import comparing, painting, process, replacing
from benchmarks.speed.bench import PROMPT, Bench, marked, strokes
from benchmarks.speed.comparing import EDITS, SOURCE
from benchmarks.speed.process import resident_now
from benchmarks.speed.report import Figure, Table
from benchmarks.speed.rounds import Side
from pipelines import Blended, PromptToPrompt, Request, SDEdit, blended, drain, sdedit
from pipelines.prompt_to_prompt import Sources, prompt_to_prompt
from studio.runs.engine import Method

TINY = 64  # pixels
CANDIDATES = 4


def measure(bench: Bench) -> list[Table]:
    return [methods(bench), growth(bench)]


# --- each method ---------------------------------------------------------------------------------


def _painting(bench: Bench) -> Side:
    asked = painting.request(bench)
    return lambda: drain(sdedit(bench.bundle, asked))


def _painting_peer(bench: Bench) -> Side:
    asked = painting.request(bench)
    bench.peer("StableDiffusionImg2ImgPipeline")
    return partial(painting.diffusers, bench, asked)


def _painting_studio(bench: Bench) -> Side:
    asked = painting.request(bench)
    _ = bench.engine
    return partial(bench.studio, sdedit, asked)


def _replacing(bench: Bench) -> Side:
    asked = replacing.request(bench, bench.bundle.size, 2, num_images=CANDIDATES)
    return partial(replacing.ours, bench, asked)


def _replacing_peer(bench: Bench) -> Side:
    asked = replacing.request(bench, bench.bundle.size, 2, num_images=CANDIDATES)
    bench.peer("StableDiffusionInpaintPipeline")
    return partial(replacing.diffusers, bench, asked)


def _comparing(bench: Bench) -> Side:
    _ = bench.bundle
    return partial(comparing.pictures, comparing.OURS, bench, tuple(EDITS))


ROWS = {  # row → what prepares it, and its peer
    "diffusers, image-to-image": (_painting_peer, ""),
    "`pipelines.sdedit`": (_painting, "diffusers, image-to-image"),
    "the studio, painting": (_painting_studio, "diffusers, image-to-image"),
    f"diffusers, inpainting, {CANDIDATES} candidates": (_replacing_peer, ""),
    f"`pipelines.blended`, {CANDIDATES} candidates": (
        _replacing,
        f"diffusers, inpainting, {CANDIDATES} candidates",
    ),
    f"`pipelines.prompt_to_prompt`, {len(EDITS)} edits": (_comparing, ""),
}


def methods(bench: Bench) -> Table:
    rows: dict[str, dict[str, Figure]] = {}
    for row, (prepare, peer) in ROWS.items():
        if bench.settings.quick and not row.startswith("`pipelines"):
            continue
        each = process.held(bench, prepare)
        rows[row] = {"with the model loaded, MB": each.resident, "more at most, MB": each.peak}
        if peer in rows:
            most = rows[peer]["more at most, MB"]
            assert isinstance(most, float)
            rows[row]["ratio to diffusers"] = each.peak / most
    return Table("Memory", "Each in a fresh process, one edit.", rows)


# --- many edits ----------------------------------------------------------------------------------


def growth(bench: Bench) -> Table:
    few, many = (6, 30) if bench.settings.quick else (20, 200)
    after = process.alone(bench, after_edits, (few, many))
    rows: dict[str, dict[str, Figure]] = {
        f"after {number} edits": {"resident, MB": resident}
        for number, resident in zip((few, many), after, strict=True)
    }
    rows[f"after {many} edits"]["growth, MB"] = after[1] - after[0]
    return Table(
        "Memory over many edits",
        "In one studio: painting, replacing and comparing in turn, each with another seed and "
        f"picture, {TINY} pixels, 2 steps, saved.",
        rows,
    )


def after_edits(bench: Bench, numbers: tuple[int, ...]) -> list[float]:
    """MB that this process holds after so many edits."""
    kept = Sources()
    held: list[float] = []
    for number in range(max(numbers)):
        bench.studio(*_edit(number, kept))
        if number + 1 in numbers:
            held.append(resident_now())
    bench.close()
    return held


def _edit(number: int, kept: Sources) -> tuple[Method, Request]:
    picture = strokes(TINY).rotate(number)
    if number % 3 == 0:
        return sdedit, SDEdit(
            image=picture, prompt=PROMPT, strength=1.0, num_inference_steps=2, seed=number
        )
    if number % 3 == 1:
        return blended, Blended(
            image=picture,
            mask_image=marked(TINY, 2),
            prompt=PROMPT,
            num_inference_steps=2,
            seed=number,
        )
    return partial(prompt_to_prompt, sources=kept), PromptToPrompt(
        image=picture,
        prompt=SOURCE,
        edits=(EDITS["replace"],),
        num_inference_steps=2,
        seed=number,
    )
