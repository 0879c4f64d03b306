"""Prompt-to-Prompt: other words, the same picture (Hertz et al., arXiv:2208.01626).

    x = [x_T, x_T, …]                        one noise for the source and all its edits
    for each step from t to u:
        P = maps of the source's words       attention of the source, in the same network call
        x = solver(x, t, u) with the edits' attention replaced by Edit(P, own)
        x = x_s + B (x - x_s)                local blend: only where the chosen words look

Words swapped, added or weighed: Edit as in section 3 (prompt_edit.py). Local blend as in section
3.2 (local_blend.py). A given picture becomes a source by DDIM inversion, and stays itself by direct
inversion (Ju et al., arXiv:2310.01506: its row is put back on the recorded way after each step), by
negative-prompt inversion (Miyake et al., arXiv:2305.16807) or by null-text inversion
(core/inversion.py).

Where we depart from the official code: words are found by their letters, so "squirrel," is a
squirrel; each edit has its own words to blend; a swap of words with different numbers of tokens
keeps the words behind it aligned (words/alignment.py).
"""

from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import reduce
from typing import Annotated

import torch
from PIL import Image
from torch import Tensor

from pipelines.core import attention, masks, noise, preview, sizes, solvers
from pipelines.core.attention import Watch
from pipelines.core.difference import between, psnr
from pipelines.core.guidance import guided
from pipelines.core.inversion import Asked, inverted
from pipelines.core.latest import Latest, digest
from pipelines.core.sampling import Moment, Predict, Run, Views, walk
from pipelines.edit import Change, Edit, Report, Result, in_memory
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.protocol import Networks
from pipelines.prompt_to_prompt import local_blend, maps, prompt_edit
from pipelines.prompt_to_prompt.local_blend import LocalBlend
from pipelines.prompt_to_prompt.prompt_edit import PromptEdit
from pipelines.prompt_to_prompt.sources import Sources
from pipelines.request import Choice, Picture, Request, Rows, Switch, Words, check_mask
from pipelines.words.alignment import align
from pipelines.words.prompt import Prompt, unknown_words

MAX_EDITS = 8
ROOM = 18 * 64 * 64  # latent cells that one network call takes: 8 edits at 512 pixels, guided
EDITS = """Up to 8, such as {"prompt": "a blue house", "weights": {"blue": 1.5}}. An edit has its
own prompt and, where wanted, cross_replace_steps (an end, [start, end], or either by word),
self_replace_steps (an end or [start, end]), self_replace_reduction, weights (word: strength) and
local_blend (source, target, subtract: words; threshold, subtract_threshold, start_blend)."""
INVERSIONS = {
    "direct": "direct: exact, and the quickest",
    "negative-prompt": "negative prompt: light, follows the picture loosely",
    "null-text": "null text: slow, tuned to the picture",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptToPrompt(Request):
    """Draw a source and edits of its words side by side (Prompt-to-Prompt).

    The source is drawn from the seed, or is the given `image`, which `prompt` should describe. The
    pictures are the source and then each edit.
    """

    prompt: Annotated[str, Words("Words", "What the source shows.", required=True)] = ""
    edits: Annotated[tuple[PromptEdit, ...], Rows(PromptEdit, MAX_EDITS, "Edit", EDITS)] = ()
    image: Annotated[Image.Image | None, Picture("Picture", about="Or none: drawn by seed.")] = None
    inversion: Annotated[
        str, Choice(INVERSIONS, "Inversion", "How a given picture is kept itself.")
    ] = "direct"
    mask_image: Annotated[
        Image.Image | None,
        Picture("Mask", mode="L", about="White: the edits may change it. Black: stays."),
    ] = None  # of all edits that have none of their own
    attention: Annotated[
        bool,
        Switch(
            "Maps of words", "Keeps where each word looks, at each step, to lay over the pictures."
        ),
    ] = False

    def __post_init__(self) -> None:
        Request.__post_init__(self)
        edits = (
            each if each.mask_image is not None else replace(each, mask_image=self.mask_image)
            for each in self.edits
        )
        object.__setattr__(self, "edits", tuple(edits))
        if not self.edits:
            raise ValueError("Add an edit: other words for the same picture.")
        if len(self.edits) > MAX_EDITS:
            raise ValueError(
                f"At most {MAX_EDITS} edits run at once, not {len(self.edits)}; take some away."
            )
        if self.image is None:
            return
        if self.scheduler not in ("default", "ddim"):
            raise ValueError(
                "A given picture is inverted with DDIM; choose DDIM as the scheduler, or draw the "
                "source from a seed."
            )
        if self.inversion == "negative-prompt" and self.negative_prompt:
            raise ValueError(
                "Negative-prompt inversion needs the place of the negative words; "
                "leave them empty, or choose direct inversion."
            )
        for each in self.edits:
            check_mask(each.mask_image, self.image)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptToPromptReport(Report):
    steps: int = 0
    inversion: str | None = None  # of a given picture
    reconstruction_psnr: float | None = None  # of the source beside the given picture, in dB
    ceiling_psnr: float | None = None  # what the autoencoder alone reaches
    attention: maps.Legend | None = None


def prompt_to_prompt(
    networks: Networks, request: PromptToPrompt, sources: Sources | None = None
) -> Run[PromptToPromptReport]:
    """Draw the source and its edits side by side, yielding each step.

    Returns [source, *edits] at the size the model works at. For a given picture the first is what
    the model makes of it, and the view "before" is the picture itself at that size.

    `sources` keeps what was found out about the source: the next edit of the same one, with other
    words, windows or blends, neither inverts it nor runs its row again. Without, nothing is kept.

    With `attention`, the view "attention/<row>" of each picture is an atlas of its words' maps
    (`maps.atlas`: a column per word, the mean over the steps, then a band per step), and the report
    says what stands where in them.
    """
    given = request.image
    prompts = [networks.read(each) for each in (request.prompt, *(e.prompt for e in request.edits))]
    negative = networks.read(request.negative_prompt)
    native = (networks.size, networks.size)
    size = sizes.fit(native if given is None else given.size, networks.size, networks.multiple)
    shape = (networks.channels, size[1] // networks.cell, size[0] // networks.cell)
    alignments = [align(prompts[0], each) for each in prompts[1:]]
    length = max(each.length for each in prompts)
    steps = request.num_inference_steps
    control = prompt_edit.control(networks, request.edits, prompts[1:], alignments, steps, length)
    named = [each.local_blend for each in request.edits]
    blends = list(zip(prompts[1:], named, strict=True))
    blend = local_blend.watch(networks, prompts[0], blends, shape)
    look = maps.watch(networks, prompts, shape) if request.attention else None

    held = given is not None and request.inversion == "direct"
    drawn = [_mask(each.mask_image, size, given is None) for each in request.edits]
    cells = [None if each is None else masks.cells(each, *shape[1:]) for each in drawn]
    kept = held or blend is not None or any(each is not None for each in drawn)
    generators = noise.generators([request.seed] * len(prompts))  # one seed, in every step too
    solver = solvers.make(
        request.scheduler if given is None else "ddim",
        networks.scheduler_config,
        steps,
        generators=generators,
        corrector=not kept,
        device=networks.device,
    )

    words = reduce(Conditioning.over, [networks.embed(each, size) for each in prompts])
    nulls: Sequence[Conditioning] = [networks.embed(negative, size, negative=True)]
    guide: Image.Image | None = None
    way: list[Tensor] = []
    ceiling = 0.0
    if given is None:
        x = solver.prior(noise.draw(generators, shape, networks.device))
    else:
        guide = given.resize(size, Image.Resampling.LANCZOS)
        inversion = yield from inverted(
            networks,
            guide,
            Asked(
                request.inversion,
                prompts[0],
                negative,
                request.guidance_scale,
                steps,
            ),
            Latest(0) if sources is None else sources.inversions,
        )
        way, nulls, ceiling = list(inversion.way), inversion.without, inversion.ceiling
        x = way[-1].expand(len(prompts), *shape)

    def composed(pictures: Sequence[Image.Image]) -> list[Image.Image]:
        """Outside a drawn mask an edit is its source, pixel by pixel."""
        source, *edits = pictures
        pairs = zip(edits, drawn, strict=True)
        return [source, *(e if m is None else masks.paste(source, e, m) for e, m in pairs)]

    def view(clean: Tensor) -> Views:
        return {str(i): each for i, each in enumerate(composed(preview.pictures(networks, clean)))}

    ran, _ = solvers.resolve(request.scheduler, networks.scheduler_config)
    run = _itself(request, guide, words, control.finest, corrected=ran == "unipc" and not kept)
    tape = None if sources is None else sources.tape(networks, run)
    played = tape is not None and tape.plays
    parts = [
        (rows, _predict(networks, words.at(rows[played:]), nulls, request, held and not played))
        for rows in cut(len(prompts), 0 if networks.spares else ROOM, shape, request.guidance_scale)
    ]
    watches = [each for each in (blend, look) if each is not None]
    predict = attention.controlled(networks, parts, control, watches, tape)
    revise = _Kept(way if held else [], blend, named, cells)
    latents = yield from walk(x, predict, solver, revise if kept else None, view=view)
    known = [tape.picture.copy()] if tape is not None and tape.picture is not None else []
    pictures = composed([*known, *networks.decode(latents[len(known) :])])
    if sources is not None and tape is not None:
        sources.keep(networks, run, tape, pictures[0])
    views = {} if guide is None else {"before": guide}
    report = _report(networks, request, [*prompts, negative])
    if guide is not None:
        reached = psnr(guide, pictures[0])
        report = replace(
            report, inversion=request.inversion, reconstruction_psnr=reached, ceiling_psnr=ceiling
        )
    if look is not None:
        pages = maps.atlas(look.steps)
        views |= {f"attention/{row}": page for row, page in enumerate(pages)}
        report = replace(report, attention=maps.legend(prompts, look))
    changes = [
        Change(*prompt_edit.told(edit, found), *astuple(between(pictures[0], after)))
        for edit, found, after in zip(request.edits, alignments, pictures[1:], strict=True)
    ]
    results = [
        Result(make=in_memory(each), seed=request.seed, change=change)
        for each, change in zip(pictures, [None, *changes], strict=True)
    ]
    return Edit(results, report, views)


def _predict(
    networks: Networks,
    words: Conditioning,
    nulls: Sequence[Conditioning],
    request: PromptToPrompt,
    held: bool,
) -> Predict:
    """Guided by one null for all steps, or by one a step; a source that is held needs none."""
    each = [guided(networks, words, null, request.guidance_scale, int(held)) for null in nulls]
    return lambda x, moment: each[min(moment.index, len(each)) - 1](x, moment)


def cut(count: int, room: int, shape: Sequence[int], guidance_scale: float) -> list[list[int]]:
    """The rows of each network call: the source, and at least one target, as far as there is room.

    `room` is in latent cells, of which guidance takes each row's twice.
    """
    cells = shape[-1] * shape[-2] * (2 if guidance_scale > 1 else 1)
    most = max(1, room // cells - 1)
    return [[0, *range(i, min(i + most, count))] for i in range(1, count, most)]


def _itself(
    request: PromptToPrompt,
    guide: Image.Image | None,
    words: Conditioning,
    finest: int,
    *,
    corrected: bool,
) -> Hashable:
    """What the source's own run depends on, and how much of it a tape holds."""
    return (
        request.seed if guide is None else (digest(guide), request.inversion),
        request.prompt,
        request.negative_prompt,
        request.guidance_scale,
        request.num_inference_steps,
        request.scheduler,
        corrected,
        finest,
        words.tokens.shape[1],  # rows are filled up to the longest of a batch
        words.heard is None,
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """What of the source stays in the targets after a step, as a `revise`."""

    way: Sequence[Tensor]  # the source row's recorded way; empty where it goes freely
    watch: Watch | None  # as of local_blend.watch
    blends: Sequence[LocalBlend | None]  # [E]
    cells: Sequence[Tensor | None]  # [E] drawn masks, [1, 1, h, w]

    def __call__(self, x: Tensor, moment: Moment) -> Tensor:
        source, *targets = x.split(1)
        if self.way:
            source = self.way[-1 - moment.index].to(x)
        for i, (blend, cells) in enumerate(zip(self.blends, self.cells, strict=True)):
            if blend is not None and moment.index > int(blend.start_blend * moment.total):
                assert self.watch is not None  # it was made because there is a blend
                inside = local_blend.region(self.watch, i, blend, x.shape[-2:])
                targets[i] = torch.where(inside, targets[i], source)
            if cells is not None:
                mask = cells.to(x)
                targets[i] = mask * targets[i] + (1 - mask) * source
        return torch.cat([source, *targets])


def _mask(mask: Image.Image | None, size: tuple[int, int], by_seed: bool) -> Image.Image | None:
    """A drawn mask at the size of the pictures; for a given one, the request has compared them."""
    if mask is None:
        return None
    if by_seed and mask.width * size[1] != mask.height * size[0]:
        raise ValueError(
            f"A mask is {mask.width}×{mask.height} pixels and the seed draws pictures of "
            f"{size[0]}×{size[1]}; they must be of one shape."
        )
    return mask.resize(size, Image.Resampling.BOX)


def _report(
    networks: Networks, request: PromptToPrompt, prompts: Sequence[Prompt]
) -> PromptToPromptReport:
    ran, note = solvers.resolve(request.scheduler, networks.scheduler_config)
    if request.image is not None:
        note = "" if ran == "ddim" else "A given picture is inverted with DDIM, so DDIM ran."
        ran = "ddim"
    return PromptToPromptReport(
        scheduler=ran,
        unknown_words=unknown_words(prompts),
        note=note,
        steps=request.num_inference_steps,
    )
