"""What a method may ask of a loaded model, whatever kind of denoiser it has.

Methods and core are written against `Networks` alone: they never see a module of the model or its
configuration. Who answers is a family, one file each (networks/unet.py).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from PIL import Image
from torch import Tensor

from pipelines.networks.autoencoder import Decoder
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.ranking import Ranker
from pipelines.words.prompt import Prompt


@dataclass(frozen=True, slots=True)
class AttentionLayer:
    """One attention of the denoiser, and its processor, which may be exchanged for a while."""

    name: str  # dotted, as in the denoiser's own `named_modules`
    module: Any  # a diffusers Attention
    kind: Literal["self", "cross"]  # from each place to the other places, or to the words
    reduction: int  # the sides of its maps are this many times smaller than the latent's

    def grid(self, latent: Sequence[int]) -> tuple[int, int]:
        """(height, width) of its maps, for latents of the shape [..., h, w]."""
        return -(-latent[-2] // self.reduction), -(-latent[-1] // self.reduction)

    @property
    def processor(self) -> Any:
        return self.module.processor

    def set_processor(self, processor: Any) -> None:
        self.module.set_processor(processor)


class Networks(Protocol):
    """An autoencoder, a denoiser and text encoders, as they were loaded.

    Pictures are RGB, latents [B, C, h, w]. An edit changes nothing here: what it exchanges for a
    call, such as a processor, it puts back.
    """

    @property
    def size(self) -> int:
        """The side of the square the model was made for, in pixels."""
        ...

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be multiples of, in pixels."""
        ...

    @property
    def cell(self) -> int:
        """Pixels on the side of one latent cell."""
        ...

    @property
    def channels(self) -> int:
        """C, the channels of a latent."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the denoiser computes; latents and conditioning lie there."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The format that the denoiser computes in."""
        ...

    @property
    def posterior(self) -> bool:
        """Whether encoding draws from a distribution."""
        ...

    @property
    def inpaints(self) -> bool:
        """Whether the denoiser is made for inpainting: it also takes the mask and the kept part."""
        ...

    @property
    def spares(self) -> bool:
        """Whether memory is short, so that rows are better given one at a time."""
        ...

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """The model's own scheduler, as in its `scheduler_config.json`.

        Its `prediction_type` is what `predict` returns: "epsilon", "v_prediction", "sample" or
        "flow_prediction" (core/schedule.py).
        """
        ...

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Field of a request → what draws best with a few-step model; empty for any other."""
        ...

    @property
    def attention_layers(self) -> Sequence[AttentionLayer]:
        """The attentions between places and to words, in the order in which a call runs them."""
        ...

    @property
    def latent_space(self) -> object:
        """What stands for the autoencoder: one and the same for all networks that share it.

        It can be referred to weakly, so that something may be kept for as long as it lives.
        """
        ...

    @property
    def ranker(self) -> Ranker | None:
        """What tells how well a picture agrees with words, if the model has it."""
        ...

    def read(self, text: str) -> Prompt:
        """A prompt as this model reads it, from any thread.

        Raises ValueError with one sentence where it is longer than the model can take.
        """
        ...

    def embed(
        self, words: Prompt | str, size: tuple[int, int], *, negative: bool = False
    ) -> Conditioning:
        """Words → one row of conditioning; its length depends on the words.

        `size` is the picture's (width, height). `negative` says that guidance is to subtract it.
        """
        ...

    def encode(
        self,
        picture: Image.Image,
        generators: Sequence[torch.Generator],
        hidden: Tensor | None = None,
    ) -> Tensor:
        """A picture → latents [B, C, h, w] in float32, one row per generator, or one without any.

        Where the autoencoder has a posterior, row i is a sample drawn with generator i, and its
        mean without generators. Where the latent cells `hidden` [1, 1, h, w] are 1, the picture is
        mid-gray.
        """
        ...

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Latents [B, C, h, w] → pictures; ValueError with one sentence where one is not finite."""
        ...

    def preview(self, latents: Tensor) -> list[Image.Image] | None:
        """Latents → quick pictures by a tiny autoencoder; None where the model has none."""
        ...

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """The denoiser's own output [B, C, h, w] for x at time t, in float32 or better.

        `t` is a scalar of the scheduler's own times; how the denoiser is told of it, and in which
        order it takes the cells of x, is the family's affair. One that inpaints takes x with the
        mask [B, 1, h, w] and the kept part's latents as further channels; where x is a latent
        alone it may draw everywhere. A gradient is made only for words that ask for one.
        """
        ...

    def gradient_checkpointing(self) -> AbstractContextManager[None]:
        """For a while, spend time rather than memory on gradients through `predict`."""
        ...

    def decoder_copy(self) -> Decoder:
        """A copy of the decoder in float32 whose weights may be trained."""
        ...
