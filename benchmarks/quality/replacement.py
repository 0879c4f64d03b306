"""Replacement: another thing under a mask, by words alone; and by strokes, for masked SDEdit."""

from typing import Any

import numpy as np

from benchmarks.quality import metrics, references
from benchmarks.quality.cases import SHAPES, THIN, Replacement, insertions, replacements
from benchmarks.quality.job import Figures, Job, Pictures
from benchmarks.quality.lab import Lab
from pipelines import SDEdit, drain, sdedit
from pipelines.blended import Blended, blended

STROKED = 0.7  # the strength of a stroked patch


def ours(lab: Lab, case: Replacement) -> Pictures:
    return _blended(lab, case)


def ours_sharp(lab: Lab, case: Replacement) -> Pictures:
    return _blended(lab, case, feather=0)


def ours_shrinking(lab: Lab, case: Replacement) -> Pictures:
    return _blended(lab, case, shrink_steps=3)


def under_mask(_lab: Lab, case: Replacement) -> Pictures:
    return [case.under_mask]


def ours_as_decoded(lab: Lab, case: Replacement) -> Pictures:
    return _blended(lab, case, background="none")


def diffusers(lab: Lab, case: Replacement) -> Pictures:
    return lab.peer("StableDiffusionInpaintPipeline")(
        case.prompt,
        image=case.image,
        mask_image=case.mask_image,
        strength=1.0,
        height=case.image.height,
        width=case.image.width,
        num_images_per_prompt=lab.candidates,
        generator=lab.generators(case.seed, lab.candidates),
        **lab.asked(),
    ).images


def official(lab: Lab, case: Replacement) -> Pictures:
    return references.blended(lab, case.image, case.mask_image, case.prompt, case.seed)


def stroked(lab: Lab, case: Replacement) -> Pictures:
    request = SDEdit(
        image=case.guide,
        mask_image=case.mask_image,
        prompt=case.prompt,
        strength=STROKED,
        seed=case.seed,
        num_images=lab.candidates,
        **lab.asked(),
    )
    return drain(sdedit(lab.bundle, request)).images


def stroked_official(lab: Lab, case: Replacement) -> Pictures:
    return references.sdedit(lab, case.guide, case.mask_image, case.prompt, STROKED, case.seed)


ROWS = {
    "`pipelines.blended`": ours,
    "the same, no feather": ours_sharp,
    "the same, as decoded": ours_as_decoded,
    "diffusers, inpainting": diffusers,
    "official script for SD 2.1": official,
}
THIN_ROWS = {
    "`pipelines.blended`": ours,
    "the same, room for thin masks": ours_shrinking,
    "the same, no feather": ours_sharp,
    "the truth under the mask": under_mask,
}
STROKED_ROWS = {
    "`pipelines.sdedit`, masked": stroked,
    "official order, one level late": stroked_official,
}


def measure(lab: Lab, case: Replacement, pictures: Pictures) -> Figures:
    found = [reading.attributes for reading in lab.critic.read(pictures)]
    right = [all(told[name] == value for name, value in case.wanted.items()) for told in found]
    source, outside = np.asarray(case.image), ~case.mask
    arrays = [np.asarray(each) for each in pictures]
    rim = metrics.rim(case.mask) & case.background
    precision = float(np.mean(right))
    ranked = lab.ranked(pictures, case.mask_image, case.prompt)
    return {
        "precision": precision,
        **{shape: precision if shape == case.shape else float("nan") for shape in SHAPES},
        "ranked first": float("nan") if ranked is None else float(right[ranked]),
        "any": float(any(right)),
        "PSNR outside": float(np.mean([metrics.psnr(each, source, outside) for each in arrays])),
        "SSIM outside": float(np.mean([metrics.ssim(each, source, outside) for each in arrays])),
        "max outside": max(metrics.largest(each, source, outside) for each in arrays),
        "seam": float(np.mean([metrics.seam(each, source, rim) for each in arrays])),
        "diversity": metrics.diversity(arrays, case.mask),
        "CLIP": lab.agreement(pictures, case.prompt),
    }


def job(number: int) -> Job[Replacement]:
    return Job(
        "Replacement",
        "Another kind or colour for the thing of a held-out scene; masks exact and loose.",
        replacements(number),
        ROWS,
        measure,
        "precision",
    )


def thin_job(number: int) -> Job[Replacement]:
    return Job(
        "Thin mask",
        f"A lighthouse or a tower for empty ground, in a mask {THIN} pixels wide.",
        insertions(number),
        THIN_ROWS,
        measure,
        "precision",
    )


def stroked_job(number: int) -> Job[Replacement]:
    return Job(
        "Stroked patch",
        f"The same with strokes of the new thing in a loose mask, strength {STROKED:g}.",
        replacements(number, ("loose",)),
        STROKED_ROWS,
        measure,
        "precision",
    )


def _blended(lab: Lab, case: Replacement, **choices: Any) -> Pictures:
    request = Blended(
        image=case.image,
        mask_image=case.mask_image,
        prompt=case.prompt,
        seed=case.seed,
        num_images=lab.candidates,
        **choices,
        **lab.asked(),
    )
    return drain(blended(lab.bundle, request)).images
