"""The edits of a comparison, as the page and programs send them, made into the method's own."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from components.contract.rows import Row, read
from pipelines.prompt_to_prompt import PromptEdit
from pipelines.prompt_to_prompt.local_blend import LocalBlend
from studio.inputs import validation
from studio.inputs.sketches import Guide


def gathered(guide: Guide, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a comparison's request is neither a number, nor words, nor a choice.

    A mask on the picture holds for all edits.
    """
    attention = values.get("attention", False)
    if not isinstance(attention, bool):
        raise ValueError("Attention must be true or false.")
    rows = read(values.get("edits"))
    edits = tuple(_edit(row, guide.mask, number) for number, row in enumerate(rows, start=1))
    return {"image": guide.image, "edits": edits, "attention": attention}


def _edit(row: Row, mask: Image.Image | None, number: int) -> PromptEdit:
    prompt = validation.words(row["prompt"], f"The words of edit {number}")
    blend = row.get("local_blend")
    try:
        made: dict[str, Any] = {**row, "prompt": prompt, "mask_image": mask}
        made["local_blend"] = None if blend is None else LocalBlend(**blend)
        return PromptEdit(**made)
    except ValueError as refusal:
        raise ValueError(f"Edit {number}: {refusal}") from None
