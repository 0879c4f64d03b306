"""A loaded model: its networks, and what is known of where they came from."""

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor

from pipelines.networks import autoencoder
from pipelines.networks.affinity import a_core_each
from pipelines.networks.autoencoder import Decoder
from pipelines.networks.compiled import Compiled
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.narrow import mended
from pipelines.networks.protocol import AttentionLayer
from pipelines.networks.ranking import Ranker
from pipelines.words import prompt
from pipelines.words.prompt import Prompt


class Bundle(ABC):
    """A checkpoint as `Networks`, and as the program that loads and keeps it sees it.

    What is the same for every kind of denoiser stands here; a family adds the abstract rest, in a
    file of its own. The networks are never changed by an edit: between any two steps they are as
    they were loaded.
    """

    def __init__(
        self,
        vae: Any,
        denoiser: Any,
        tokenizers: list[Any],
        text_encoders: list[Any],
        scheduler_config: dict[str, Any],
        name: str = "",
    ) -> None:
        self.vae, self.denoiser = vae, denoiser
        self.tokenizers, self.text_encoders = tokenizers, text_encoders
        self.name, self.scheduler_config = name, scheduler_config
        self.note = ""  # which tensors of its files are not used
        self.loras: Mapping[str, float] = {}  # what was added: name → weight
        self.words: Sequence[str] = ()  # what was taught
        self.unused: Mapping[str, str] = {}  # LoRA → a sentence about its layers that do not fit
        self.ranker_folder: Path | None = None
        self.student_folder: Path | None = None
        self.sketcher_folder: Path | None = None
        self.compiled: Compiled | None = None
        self.spares = False  # whether it works a row and a picture at a time
        self._own = [
            (each, each.processor) for each in denoiser.modules() if hasattr(each, "processor")
        ]
        self.tokenizing = threading.Lock()
        for network in (vae, denoiser, *text_encoders):
            mended(network).requires_grad_(False).eval()

    @staticmethod
    def load(
        source: str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        loras: Mapping[str | Path, float] | None = None,
        embeddings: Sequence[str | Path] = (),
    ) -> "Bundle":
        """Load a diffusers folder, a hub id, or one `.safetensors` file.

        Only safetensors weights are read; a file or a folder needs no connection. Each file of
        `loras` is added times its weight; each of `embeddings` is a word called as its file. A
        `ranker/`, a student in `fast/` or a tiny autoencoder in `taesd/` in the folder is loaded
        when it is first asked for. ValueError with one sentence where that is no model of these.
        """
        from pipelines.networks import loading  # which knows the families, and they this class

        return loading.load(source, device, dtype, loras or {}, embeddings)

    @staticmethod
    def of(pipe: Any, name: str = "", loras: Mapping[str, float] | None = None) -> "Bundle":
        """From a loaded diffusers pipeline of a family; the networks are shared, not copied.

        `loras` says what was added to them: name → weight.
        """
        from pipelines.networks import loading

        return loading.of(pipe, name, loras or {})

    # --- what a family adds; each as in `Networks` where that has it ------------------------------

    @property
    @abstractmethod
    def size(self) -> int: ...

    @property
    @abstractmethod
    def multiple(self) -> int: ...

    @property
    @abstractmethod
    def inpaints(self) -> bool: ...

    @property
    @abstractmethod
    def defaults(self) -> dict[str, Any]: ...

    @property
    @abstractmethod
    def attention_layers(self) -> Sequence[AttentionLayer]: ...

    @property
    @abstractmethod
    def student(self) -> "Bundle | None":
        """What paints in a few steps: the model itself if it does, or a student with its words."""

    @property
    @abstractmethod
    def tiny_autoencoder(self) -> str:
        """What the folder of a tiny autoencoder of its latents is called, as in "taesd"."""

    @abstractmethod
    def embed(
        self, words: Prompt | str, size: tuple[int, int], *, negative: bool = False
    ) -> Conditioning: ...

    @abstractmethod
    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor: ...

    # --- where and how it works ------------------------------------------------------------------

    def to(self, device: torch.device | str) -> Self:
        for network in (self.vae, self.denoiser, *self.text_encoders):
            network.to(device)
        return self

    def compile(self) -> Self:
        """From now on, compile calls of the denoiser in the background (networks/compiled.py)."""
        self.compiled = Compiled(self.denoiser)
        return self

    def sparing(self) -> Self:
        """The same networks, worked a row and a picture at a time, for when memory is short.

        A picture that is larger than the autoencoder was made for is decoded in tiles.
        """
        other = copy.copy(self)
        other.spares, other.compiled = True, None
        return other

    @contextmanager
    def gradient_checkpointing(self) -> Generator[None]:
        """For a while, spend time rather than memory on gradients through `predict`."""
        before = self.denoiser.is_gradient_checkpointing
        self.denoiser.enable_gradient_checkpointing()
        try:
            yield
        finally:
            if not before:
                self.denoiser.disable_gradient_checkpointing()

    @property
    def controlled(self) -> bool:
        """Whether attention control has its processors in the denoiser just now."""
        return any(module.processor is not own for module, own in self._own)

    @property
    def device(self) -> torch.device:
        return self.denoiser.device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.denoiser.parameters()).dtype  # its own `dtype` walks all: 1.3 ms a call

    # --- pictures and latents --------------------------------------------------------------------

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return int(self.vae.config.latent_channels)

    @property
    def cell(self) -> int:
        """Pixels on the side of one latent cell."""
        return autoencoder.cell(self.vae)

    @property
    def posterior(self) -> bool:
        """Whether encoding draws from a distribution."""
        return not isinstance(self.vae, AutoencoderTiny)

    @property
    def latent_space(self) -> object:
        """The autoencoder, as what stands for it."""
        return self.vae

    @torch.no_grad()
    def encode(
        self,
        picture: Image.Image,
        generators: Sequence[torch.Generator],
        hidden: Tensor | None = None,
    ) -> Tensor:
        """An RGB picture → latents [B, C, h, w] in float32, as `Networks.encode`."""
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

    def preview(self, latents: Tensor) -> list[Image.Image] | None:
        """Latents → RGB pictures by a tiny autoencoder, if there is one."""
        return None if self.sketcher is None else autoencoder.decode(self.sketcher, latents)

    def decoder_copy(self) -> Decoder:
        """A copy of the decoder in float32 whose weights may be trained."""
        return Decoder.of(self.vae)

    def _in_parts(self) -> AbstractContextManager[None]:
        return autoencoder.in_parts(self.vae) if self.spares else nullcontext()

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

    # --- words -----------------------------------------------------------------------------------

    def read(self, text: str) -> Prompt:
        """A prompt as this model reads it, from any thread; ValueError as `words.prompt.read`."""
        with self.tokenizing:
            return prompt.read(self.tokenizers, text)

    @property
    def ranker(self) -> Ranker | None:
        """What tells how well a picture agrees with words, if the model has it."""
        return self._ranker

    @cached_property
    def _ranker(self) -> Ranker | None:
        place = self.ranker_folder
        return None if place is None else Ranker.load(place, self.device)
