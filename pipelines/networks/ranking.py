"""How well pictures agree with words, by a CLIP (Radford et al., arXiv:2103.00020)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

Box = tuple[int, int, int, int]  # left, top, right, bottom

CONTEXT = 0.25  # of the longer side of the masked box, added on each side


@dataclass(frozen=True, slots=True)
class Ranker:
    """A CLIP with its tokenizer and image processor."""

    model: Any
    tokenizer: Any
    processor: Any

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> Self:
        """From one local folder of a transformers `CLIPModel`; only safetensors are read.

        Raises ValueError with one sentence where the folder is no such model.
        """
        try:
            model: Any = CLIPModel.from_pretrained(
                str(folder), use_safetensors=True, local_files_only=True
            )
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            processor = AutoImageProcessor.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder} could not be loaded as a ranker: {error}") from error
        return cls(model.requires_grad_(False).eval().to(device), tokenizer, processor)

    @torch.no_grad()
    def agreement(
        self, pictures: Iterable[Image.Image], mask: Image.Image, words: str
    ) -> list[float]:
        """The cosine in [-1, 1] between `words` and the masked part of each RGB picture.

        The part is the mask's box in a square with some context; `mask` ("L") has the size of
        every picture.
        """
        masked = mask.getbbox() or (0, 0, *mask.size)
        device = self.model.device
        length = self.model.config.text_config.max_position_embeddings
        coded = self.tokenizer(
            words, max_length=length, truncation=True, return_tensors="pt", verbose=False
        )
        pixels = torch.cat(  # one at a time, since a picture may be large
            [
                self.processor(
                    images=each.crop(_square(masked, each.size)), return_tensors="pt"
                ).pixel_values
                for each in pictures
            ]
        )
        out = self.model(
            input_ids=coded.input_ids.to(device),
            attention_mask=coded.attention_mask.to(device),
            pixel_values=pixels.to(device),
        )
        # transformers normalises both embeddings
        return (out.image_embeds @ out.text_embeds.T)[:, 0].tolist()


def _square(masked: Box, size: tuple[int, int]) -> Box:
    """A square around the box, cut at the frame."""
    left, top, right, bottom = masked
    longer = max(right - left, bottom - top)
    half = longer / 2 + CONTEXT * longer
    x, y = (left + right) / 2, (top + bottom) / 2
    return (
        max(int(x - half), 0),
        max(int(y - half), 0),
        min(max(round(x + half), int(x) + 1), size[0]),
        min(max(round(y + half), int(y) + 1), size[1]),
    )
