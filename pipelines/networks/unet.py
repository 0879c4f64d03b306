"""Stable Diffusion 1, 2 and XL: a UNet that words reach by cross-attention."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from PIL import Image
from torch import Tensor

from pipelines.networks import distilled
from pipelines.networks.affinity import a_core_each
from pipelines.networks.autoencoder import TINY
from pipelines.networks.bundle import Bundle
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.embedding import embedded
from pipelines.networks.protocol import AttentionLayer
from pipelines.networks.student import read as read_student
from pipelines.words.prompt import Prompt


class StableDiffusion(Bundle):
    """A checkpoint of the family: autoencoder, UNet, one or two text encoders."""

    def __init__(
        self,
        vae: Any,
        unet: Any,
        tokenizers: list[Any],
        text_encoders: list[Any],
        scheduler_config: dict[str, Any],
        name: str = "",
        zero_negative: bool = False,
    ) -> None:
        super().__init__(vae, unet, tokenizers, text_encoders, scheduler_config, name)
        self.zero_negative = zero_negative  # SDXL: no negative words means zeros, not ""
        self._frees: dict[tuple[int, int], Tensor] = {}  # of an inpainting model, by size
        self._layers = attention_layers(unet)

    @property
    def size(self) -> int:
        """The side of the square the model was made for, in pixels."""
        side = self.denoiser.config.sample_size
        return int(side if isinstance(side, int) else min(side)) * self.cell

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        return self.cell * 2 ** (len(self.denoiser.config.block_out_channels) - 1)

    @property
    def inpaints(self) -> bool:
        """Whether the denoiser is made for inpainting: it is told the mask and the kept picture."""
        return self.denoiser.config.in_channels == 2 * self.channels + 1

    @property
    def defaults(self) -> dict[str, Any]:
        """Field of a request → what draws best with a few-step model; empty for any other."""
        config = self.denoiser.config
        return distilled.defaults(self.name, self.scheduler_config, config, self.loras)

    @property
    def attention_layers(self) -> Sequence[AttentionLayer]:
        """The attentions of the UNet's transformers, from the way down to the way up."""
        return self._layers

    @property
    def tiny_autoencoder(self) -> str:
        """What the folder of a tiny autoencoder of its latents is called: the sizes have one each.

        XL has latents of its own; those of Stable Diffusion 1 and 2 are the same.
        """
        return TINY[self._large]

    @property
    def student(self) -> Bundle | None:
        """What paints in a few steps: the model itself if it does, or a student with its words.

        A student is a folder `fast/` with a LoRA in one `.safetensors` file, and a `scheduler`
        where it wants another than the model's. It is the model with that LoRA; the autoencoder
        and the text encoders are shared. None where there is neither.
        """
        return self if self.defaults else self._student

    @cached_property
    def _student(self) -> Bundle | None:
        if self.student_folder is None:
            return None
        given = self.student_folder, self.denoiser, self.scheduler_config
        unet, config, loras = read_student(*given)
        parts = self.vae, unet, self.tokenizers, self.text_encoders, config
        fast = StableDiffusion(*parts, name=f"{self.name} fast", zero_negative=self.zero_negative)
        fast.loras = loras
        return fast.compile() if self.compiled else fast

    @torch.no_grad()
    def embed(
        self, words: Prompt | str, size: tuple[int, int], *, negative: bool = False
    ) -> Conditioning:
        """Words → one row of conditioning; `size` is the picture's (width, height).

        Words are weighed as words/emphasis.py reads them. As many windows as they need stand one
        after another (words/windows.py); SDXL's summary is that of the first one.
        """
        read = self.read(words) if isinstance(words, str) else words
        tokens, pooled = [], None
        for tokenizer, encoder, windows in zip(
            self.tokenizers, self.text_encoders, read.windows, strict=True
        ):
            found, summary = embedded(tokenizer, encoder, windows, penultimate=self._large)
            tokens.append(found)
            pooled = summary if self._large and summary is not None else pooled
        row = Conditioning(torch.cat(tokens, dim=-1), pooled, self._ids(size))
        if negative and self.zero_negative and not read.text:
            zero = None if pooled is None else torch.zeros_like(pooled)
            row = Conditioning(torch.zeros_like(row.tokens), zero, row.ids)
        return row

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """The UNet's own output for x [B, C, h, w] at time t, in float32 or better.

        Its weights are frozen: a graph is made only for words that ask for a gradient. A UNet made
        for inpainting that is told no mask, x being a latent alone, may draw everywhere.
        """
        if self.inpaints and x.shape[1] == self.channels:
            free = self._free(x.shape[-2], x.shape[-1]).to(x)
            x = torch.cat([x, free.expand(len(x), -1, -1, -1)], dim=1)
        if self.spares and len(x) > 1 and not self.controlled:
            rows = [self.predict(x[i : i + 1], t, conditioning.at([i])) for i in range(len(x))]
            return torch.cat(rows)
        added = None
        if self._large:
            added = {"text_embeds": conditioning.pooled, "time_ids": conditioning.ids}
        told = self._told_guidance
        denoise = self.denoiser if self.compiled is None or self.controlled else self.compiled
        with a_core_each(x.device):
            output = denoise(
                x.to(self.dtype),
                t,
                encoder_hidden_states=conditioning.tokens.to(self.dtype),
                encoder_attention_mask=conditioning.heard,
                timestep_cond=None if told is None else told.to(x.device, self.dtype),
                added_cond_kwargs=added,
                return_dict=False,
            )[0]
        return output.to(torch.promote_types(output.dtype, torch.float32))

    @property
    def _large(self) -> bool:
        return self.denoiser.config.addition_embed_type == "text_time"

    @cached_property
    def _told_guidance(self) -> Tensor | None:
        """[1, width]: the guidance scale that a consistency model was distilled at, as waves.

        Luo et al., arXiv:2310.04378, section 4.2; sines as of a time, as diffusers draws them.
        """
        width = self.denoiser.config.time_cond_proj_dim
        if width is None:
            return None
        rates = torch.exp(torch.arange(width // 2) * (-math.log(10000) / (width // 2 - 1)))
        waves = 1000 * (distilled.TOLD_GUIDANCE - 1) * rates[None]
        return torch.cat([waves.sin(), waves.cos()], 1)

    def _free(self, height: int, width: int) -> Tensor:
        """[1, 1 + C, h, w]: all is masked, and of the kept picture nothing is seen."""
        if (height, width) not in self._frees:
            size = (width * self.cell, height * self.cell)
            kept = self.encode(Image.new("RGB", size), [], torch.ones(1, 1, height, width))
            self._frees[height, width] = torch.cat([torch.ones_like(kept[:, :1]), kept], dim=1)
        return self._frees[height, width]

    def _ids(self, size: tuple[int, int]) -> Tensor | None:
        if not self._large:
            return None
        ids = [*reversed(size), 0, 0, *reversed(size)]  # the sides, what is cut off, the target
        return torch.tensor([ids], dtype=self.dtype, device=self.device)


def of(pipe: Any, name: str, loras: Mapping[str, float]) -> StableDiffusion:
    """From a loaded diffusers pipeline with a UNet; as `Bundle.of`."""
    parts = pipe.components
    pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
    present = [pair for pair in pairs if parts.get(pair[1]) is not None]
    schedule = {**parts["scheduler"].config, "_class_name": type(parts["scheduler"]).__name__}
    if distilled.how(name, schedule, parts["unet"].config, loras):
        schedule = distilled.trailing(schedule)
    bundle = StableDiffusion(
        parts["vae"],
        parts["unet"],
        [parts[tokenizer] for tokenizer, _ in present],
        [parts[encoder] for _, encoder in present],
        schedule,
        name=name,
        zero_negative=bool(pipe.config.get("force_zeros_for_empty_prompt", False)),
    )
    bundle.loras = loras
    return bundle


def overflows(pipe: Any) -> bool:
    """Whether the autoencoder of a pipeline is XL's own, which overflows in half precision."""
    large = pipe.unet.config.addition_embed_type == "text_time"
    return large and bool(pipe.vae.config.get("force_upcast"))


def attention_layers(unet: Any) -> list[AttentionLayer]:
    """The attentions of a UNet's transformers, from the way down to the way up."""
    found: list[AttentionLayer] = []
    reduction = 1

    def add(place: str, block: Any) -> None:
        for name, module in block.named_modules(prefix=place):
            if isinstance(module, Attention) and module.group_norm is None:
                kind = "cross" if module.is_cross_attention else "self"
                found.append(AttentionLayer(name, module, kind, reduction))

    for number, block in enumerate(unet.down_blocks):
        add(f"down_blocks.{number}", block)
        reduction *= 2 if getattr(block, "downsamplers", None) else 1
    if unet.mid_block is not None:
        add("mid_block", unet.mid_block)
    for number, block in enumerate(unet.up_blocks):
        add(f"up_blocks.{number}", block)
        reduction //= 2 if getattr(block, "upsamplers", None) else 1
    return found
