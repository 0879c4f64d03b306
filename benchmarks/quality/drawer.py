"""Pictures from words alone, kept by the networks that drew them, so that a run goes on."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zlib import crc32

from PIL import Image

from pipelines import Bundle
from pipelines.core import noise, solvers
from pipelines.core.guidance import guided
from pipelines.core.sampling import drain, walk


@dataclass
class Drawer:
    """Networks and settings, and the folder of what they have drawn."""

    bundle: Bundle
    scheduler: str
    steps: int  # num_inference_steps
    guidance: float
    pictures: Path

    @cached_property
    def kept(self) -> Path:
        """The folder of what these networks drew with these settings."""
        parts = (self.bundle.denoiser, self.bundle.vae, *self.bundle.text_encoders)
        told = f"{self.scheduler} {self.steps} {self.guidance} {self.bundle.dtype}".encode()
        for weight in (each for part in parts for each in part.state_dict().values()):
            told += crc32(weight.cpu().contiguous().float().numpy().tobytes()).to_bytes(4, "big")
        return self.pictures / f"{crc32(told):08x}"

    def drawn(self, prompt: str, seed: int) -> Image.Image:
        """What these words and this seed give; read from `kept` where it was drawn before."""
        path = self.kept / f"{seed:03d}-{crc32(prompt.encode()):08x}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".part")
            self.draw(prompt, seed).save(aside, "PNG")
            aside.rename(path)
        with Image.open(path) as picture:
            return picture.convert("RGB")

    def draw(self, prompt: str, seed: int) -> Image.Image:
        """Draw it, whatever is kept."""
        bundle, generators = self.bundle, noise.generators([seed])
        size, cells = (bundle.size, bundle.size), bundle.size // bundle.cell
        solver = solvers.make(
            self.scheduler,
            bundle.scheduler_config,
            self.steps,
            1.0,
            generators=generators,
            device=bundle.device,
        )
        x = noise.draw(generators, (bundle.channels, cells, cells), bundle.device)
        words, without = bundle.embed(prompt, size), bundle.embed("", size, negative=True)
        predict = guided(bundle, words, without, self.guidance)
        return bundle.decode(drain(walk(x, predict, solver)))[0]
