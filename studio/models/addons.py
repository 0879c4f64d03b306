"""What goes on top of a model, LoRAs and textual inversions; and whether it fits, by headers alone.

What a header cannot tell, loading will.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.installed import AddOn
from pipelines.networks import adapters, checkpoint, single_file
from pipelines.networks.checkpoint import Checkpoint
from studio.models.loaded import read_json

KINDS: Final = ("lora", "embedding")
ENCODERS: Final = ("text_encoder", "text_encoder_2")


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide a model's words are, as far as its configuration says so."""

    context: int | None = None  # as its cross-attention reads them
    encoders: tuple[int, ...] = ()  # as each of its text encoders begins with them


def widths(model: Path) -> Widths:
    """Those of a diffusers folder, or of one file, whose family has a configuration here."""
    if model.is_file():
        try:
            model = single_file.CONFIGS / checkpoint.read(model).family()
        except (OSError, ValueError):
            return Widths()
    context = read_json(model / "unet" / "config.json").get("cross_attention_dim")
    held = (read_json(model / part / "config.json") for part in ENCODERS)
    sizes = [config.get("hidden_size") for config in held if config]
    known = tuple(size for size in sizes if isinstance(size, int))
    encoders = known if len(known) == len(sizes) else ()
    return Widths(context if isinstance(context, int) else None, encoders)


def look(file: Checkpoint, model: Widths) -> AddOn:
    """The row for a file of one of KINDS."""
    words = file.kind == "embedding"
    refusal = ""
    try:
        if words:
            adapters.check_embedding(file, model.encoders)
        else:
            adapters.check_lora(file, model.context)
    except ValueError as error:
        refusal = str(error)
    size = file.path.stat().st_size
    return AddOn(adapters.called(file.path), words, size, str(file.path), refusal)
