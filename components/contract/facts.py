"""What the page says and offers about the model that is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.contract.sketch import Swatch


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model, for a person: its name, its sizes, its words, its examples."""

    name: str
    device: str
    size: int  # the sides it draws best, in pixels
    on_top: Sequence[str] = ()  # what was added to it: LoRAs with their weights, taught words
    defaults: Mapping[str, Any] = field(default_factory=dict)  # field -> value; tab -> its own
    vocabulary: Mapping[str, Sequence[str]] = field(default_factory=dict)  # group -> its words
    swatches: Sequence[Swatch] = ()
    # Of each tab: name, image (and perhaps mask, strokes: paths), and fields of the request.
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    live: bool = False  # whether it can paint in a few steps, while the hand still moves

    def defaults_for(self, tab: str) -> Mapping[str, Any]:
        """What the fields hold at first in one tab: what is said for it, over what is for all."""
        all_tabs = {
            k: value for k, value in self.defaults.items() if not isinstance(value, Mapping)
        }
        own = self.defaults.get(tab)
        return {**all_tabs, **(own if isinstance(own, Mapping) else {})}
