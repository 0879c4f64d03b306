"""Comparison: what a change of one word does to a picture, and what it leaves as it was."""

import numpy as np

from benchmarks.quality import metrics, references
from benchmarks.quality.cases import COMPARED, Comparison, comparisons
from benchmarks.quality.job import Figures, Job, Pictures
from benchmarks.quality.lab import Lab
from pipelines import drain
from pipelines.prompt_to_prompt import PromptEdit, PromptToPrompt, prompt_to_prompt
from training.captions import named
from training.scene import attributes

THINGS = ("colour", "kind")  # these change the thing alone: there is a background


def ours(lab: Lab, case: Comparison) -> Pictures:
    return _compared(lab, case)


def ours_given(lab: Lab, case: Comparison) -> Pictures:
    _, edit = _compared(lab, case, given=True)
    return [case.image, edit]


def reference(lab: Lab, case: Comparison) -> Pictures:
    return references.prompt_to_prompt(lab, case.prompts, case.seed)


def same_seed(lab: Lab, case: Comparison) -> Pictures:
    pipe, side = lab.peer("StableDiffusionPipeline"), lab.bundle.size
    return [
        pipe(
            prompt,
            height=side,
            width=side,
            generator=lab.generators(case.seed),
            **lab.asked(),
        ).images[0]
        for prompt in case.prompts
    ]


ROWS = {
    "`pipelines.prompt_to_prompt`": ours,
    "official algorithm, explicit maps": reference,
    "same seed, new words (diffusers)": same_seed,
    "ours on a given picture (direct inversion)": ours_given,
}


def measure(lab: Lab, case: Comparison, pictures: Pictures) -> Figures:
    """`pictures` are the source and its edit."""
    before, after = lab.critic.read(pictures)
    source, edit = (np.asarray(each) for each in pictures)
    swapped = float(after.attributes[case.attribute] == _wanted(case))
    others = [name for name in named(case.source) if name != case.attribute]
    stayed = [after.attributes[name] == before.attributes[name] for name in others]
    cells = lab.critic.cells(pictures)
    figures = {
        "swap": swapped,
        **{name: swapped if name == case.attribute else float("nan") for name in COMPARED},
        "kept": float(np.mean(stayed)) if stayed else float("nan"),
        "structure": 1000 * metrics.structure_distance(*cells),
        "CLIP": lab.agreement(pictures[1:], case.prompts[1]),
    }
    if case.attribute in THINGS:
        background = ~(before.mask | after.mask)
        figures["PSNR background"] = metrics.psnr(source, edit, background)
        figures["SSIM background"] = metrics.ssim(source, edit, background)
    return figures


def job(number: int) -> Job[Comparison]:
    return Job(
        "Comparison",
        "Captions of held-out scenes that differ in one attribute: "
        + ", ".join(COMPARED)
        + " in turn.",
        comparisons(number),
        ROWS,
        measure,
        "swap",
    )


def _wanted(case: Comparison) -> str:
    return attributes(case.target)[case.attribute]


def _compared(lab: Lab, case: Comparison, given: bool = False) -> Pictures:
    source, target = case.prompts
    request = PromptToPrompt(
        image=case.image if given else None,
        prompt=source,
        edits=(PromptEdit(prompt=target),),
        seed=case.seed,
        **lab.asked(),
    )
    return drain(prompt_to_prompt(lab.bundle, request)).images
