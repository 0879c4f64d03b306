"""The loaded networks behind four verbs: encode, decode, embed, predict."""

import copy
import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor

from pipelines.networks import adapters, autoencoder, checkpoint, distilled, folder, single_file
from pipelines.networks.affinity import a_core_each
from pipelines.networks.compiled import Compiled
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.embedding import embedded
from pipelines.networks.narrow import mended
from pipelines.networks.ranking import Ranker
from pipelines.networks.student import read as read_student
from pipelines.words import prompt
from pipelines.words.prompt import Prompt


class Bundle:
    """A Stable Diffusion family checkpoint: autoencoder, denoiser, text encoders, scheduler config.

    The networks are never changed by an edit: between any two steps they are as they were loaded.
    """

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
        self.vae, self.unet = vae, unet
        self.tokenizers, self.text_encoders = tokenizers, text_encoders
        self.name, self.scheduler_config = name, scheduler_config
        self.note = ""  # which tensors of its files are not used
        self.zero_negative = zero_negative  # SDXL: no negative words means zeros, not ""
        self.loras: Mapping[str, float] = {}  # what was added: name → weight
        self.words: Sequence[str] = ()  # what was taught
        self.unused: Mapping[str, str] = {}  # LoRA → a sentence about its layers that do not fit
        self.ranker_folder: Path | None = None
        self.student_folder: Path | None = None
        self.sketcher_folder: Path | None = None
        self.compiled: Compiled | None = None
        self.spares = False  # whether it works a row and a picture at a time
        self._own = [
            (each, each.processor) for each in unet.modules() if hasattr(each, "processor")
        ]
        self._frees: dict[tuple[int, int], Tensor] = {}  # of an inpainting model, by size
        self.tokenizing = threading.Lock()
        for network in (vae, unet, *text_encoders):
            mended(network).requires_grad_(False).eval()

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        loras: Mapping[str | Path, float] | None = None,
        embeddings: Sequence[str | Path] = (),
    ) -> Self:
        """Load a diffusers folder, a hub id, or one `.safetensors` file.

        Only safetensors weights are read; a file or a folder needs no connection. Each file of
        `loras` is added times its weight; each of `embeddings` is a word called as its file. A
        `ranker/`, a student in `fast/` or a tiny autoencoder in `taesd/` in the folder is loaded
        when it is first asked for. ValueError with one sentence where that is no model of these.
        """
        path = Path(source).expanduser()
        if not path.exists():
            path = folder.fetched(str(source), dtype)
        loras = loras or {}
        added = dict(zip(adapters.names(loras), loras.values(), strict=True))
        taught = adapters.names(embeddings)
        pipe = single_file.load(path, dtype) if path.is_file() else folder.load(path, dtype)
        unused = adapters.add_loras(pipe, loras)
        adapters.add_embeddings(pipe, embeddings)
        bundle = cls.of(pipe, name=checkpoint.title(path), loras=added)
        bundle.words, bundle.unused = taught, unused
        bundle.note = (folder if path.is_dir() else single_file).note(pipe, path)
        if dtype == torch.float16 and bundle.vae.config.get("force_upcast") and bundle._large:
            bundle.vae.to(torch.float32)  # XL's own autoencoder overflows in half precision
        bundle.to(device)
        own = {each: path / each for each in ("ranker", "fast", "taesd") if (path / each).is_dir()}
        bundle.ranker_folder, bundle.student_folder = own.get("ranker"), own.get("fast")
        bundle.sketcher_folder = own.get("taesd")
        return bundle

    @classmethod
    def of(cls, pipe: Any, name: str = "", loras: Mapping[str, float] | None = None) -> Self:
        """From a loaded diffusers pipeline of the family; the networks are shared, not copied.

        `loras` says what was added to them: name → weight.
        """
        parts = pipe.components
        if parts.get("unet") is None or parts.get("vae") is None:
            raise ValueError(
                f"{name or type(pipe).__name__} is no Stable Diffusion 1, 2 or XL model: "
                "it has no UNet with an autoencoder."
            )
        pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
        present = [pair for pair in pairs if parts.get(pair[1]) is not None]
        schedule = {**parts["scheduler"].config, "_class_name": type(parts["scheduler"]).__name__}
        if distilled.how(name, schedule, parts["unet"].config, loras):
            schedule = distilled.trailing(schedule)
        bundle = cls(
            parts["vae"],
            parts["unet"],
            [parts[tokenizer] for tokenizer, _ in present],
            [parts[encoder] for _, encoder in present],
            schedule,
            name=name,
            zero_negative=bool(pipe.config.get("force_zeros_for_empty_prompt", False)),
        )
        bundle.loras = loras or {}
        return bundle

    def to(self, device: torch.device | str) -> Self:
        for network in (self.vae, self.unet, *self.text_encoders):
            network.to(device)
        return self

    def compile(self) -> Self:
        """From now on, compile calls of the denoiser in the background (networks/compiled.py)."""
        self.compiled = Compiled(self.unet)
        return self

    def sparing(self) -> Self:
        """The same networks, worked a row and a picture at a time, for when memory is short.

        A picture that is larger than the autoencoder was made for is decoded in tiles.
        """
        other = copy.copy(self)
        other.spares, other.compiled = True, None
        return other

    @property
    def controlled(self) -> bool:
        """Whether attention control has its processors in the denoiser just now."""
        return any(module.processor is not own for module, own in self._own)

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype  # `unet.dtype` walks every module: 1.3 ms a call

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return int(self.vae.config.latent_channels)

    @property
    def inpaints(self) -> bool:
        """Whether the denoiser is made for inpainting: it is told the mask and the kept picture."""
        return self.unet.config.in_channels == 2 * self.channels + 1

    @property
    def defaults(self) -> dict[str, Any]:
        """Field of a request → what draws best with a few-step model; empty for any other."""
        return distilled.defaults(self.name, self.scheduler_config, self.unet.config, self.loras)

    @property
    def posterior(self) -> bool:
        """Whether encoding draws from a distribution."""
        return not isinstance(self.vae, AutoencoderTiny)

    @cached_property
    def ranker(self) -> Ranker | None:
        """What tells how well a picture agrees with words, if the model has it."""
        place = self.ranker_folder
        return None if place is None else Ranker.load(place, self.device)

    @cached_property
    def sketcher(self) -> AutoencoderTiny | None:
        """A tiny autoencoder of the same latents (TAESD) that draws previews, if there is one."""
        place = self.sketcher_folder
        if place is None:
            return None
        try:
            found: Any = AutoencoderTiny.from_pretrained(
                place, torch_dtype=self.dtype, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"{place} could not be loaded as a TAESD: {error}") from error
        return found.to(self.device).requires_grad_(False).eval()

    @property
    def student(self) -> "Bundle | None":
        """What paints in a few steps: the model itself if it does, or a student with its words.

        A student is a folder `fast/` with a LoRA in one `.safetensors` file, and a `scheduler`
        where it wants another than the model's. It is the model with that LoRA; the autoencoder
        and the text encoders are shared. None where there is neither.
        """
        return self if self.defaults else self._student

    @cached_property
    def _student(self) -> "Bundle | None":
        if self.student_folder is None:
            return None
        given = self.student_folder, self.unet, self.scheduler_config
        unet, config, loras = read_student(*given)
        parts = unet, self.tokenizers, self.text_encoders, config
        fast = Bundle(self.vae, *parts, name=f"{self.name} fast", zero_negative=self.zero_negative)
        fast.loras = loras
        return fast.compile() if self.compiled else fast

    @property
    def cell(self) -> int:
        """Pixels on the side of one latent cell."""
        return autoencoder.cell(self.vae)

    @property
    def size(self) -> int:
        """The side of the square the model was made for, in pixels."""
        side = self.unet.config.sample_size
        return int(side if isinstance(side, int) else min(side)) * self.cell

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        return self.cell * 2 ** (len(self.unet.config.block_out_channels) - 1)

    @torch.no_grad()
    def encode(
        self,
        picture: Image.Image,
        generators: Sequence[torch.Generator],
        hidden: Tensor | None = None,
    ) -> Tensor:
        """An RGB picture → latents [B, C, h, w] in float32, one row per generator.

        Where the autoencoder has a posterior, row i is a sample drawn with generator i. Where the
        latent cells `hidden` [1, 1, h, w] are 1, the picture is mid-gray.
        """
        with self._in_parts(), a_core_each(self.device):
            return autoencoder.encode(self.vae, picture, generators, hidden)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Latents [B, C, h, w] → RGB pictures.

        A half-precision decode that overflows, to no number or to an all black picture, is done
        again in float32. Raises ValueError where the result is still not finite.
        """
        with self._in_parts(), a_core_each(self.device):
            return autoencoder.decode(self.vae, latents)

    def read(self, text: str) -> Prompt:
        """A prompt as this model reads it, from any thread; ValueError as `words.prompt.read`."""
        with self.tokenizing:
            return prompt.read(self.tokenizers, text)

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
        """The denoiser's own output for x [B, C, h, w] at time t, in float32 or better.

        Its weights are frozen: a graph is made only for words that ask for a gradient. A denoiser
        made for inpainting that is told no mask, x being a latent alone, may draw everywhere.
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
        denoise = self.unet if self.compiled is None or self.controlled else self.compiled
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

    def _in_parts(self) -> AbstractContextManager[None]:
        return autoencoder.in_parts(self.vae) if self.spares else nullcontext()

    @property
    def _large(self) -> bool:
        return self.unet.config.addition_embed_type == "text_time"

    @cached_property
    def _told_guidance(self) -> Tensor | None:
        """[1, width]: the guidance scale that a consistency model was distilled at, as waves.

        Luo et al., arXiv:2310.04378, section 4.2; sines as of a time, as diffusers draws them.
        """
        width = self.unet.config.time_cond_proj_dim
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
