"""What a comparison found out about its source, kept for the next edits of the same one."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from PIL import Image

from pipelines.core.inversion import Inversion
from pipelines.core.latest import Latest
from pipelines.core.tape import Tape
from pipelines.networks.protocol import Networks


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources used last, so that a second edit of one pays for itself only.

    Make one and pass it to every run that is to share it.
    """

    inversions: Latest[Inversion] = field(default_factory=lambda: Latest(8))
    tapes: Latest[Tape] = field(default_factory=lambda: Latest(1))

    def tape(self, networks: Networks, run: Hashable) -> Tape:
        """Of the source's own run: kept from another edit, or empty, to be kept."""
        kept = self.tapes.find(networks, run)
        return Tape() if kept is None else kept.again()

    def keep(self, networks: Networks, run: Hashable, tape: Tape, picture: Image.Image) -> None:
        """The tape of a run, if there was room for one, and the source's picture."""
        if tape.calls:
            tape.picture = picture.copy()
            self.tapes.keep(networks, run, tape)
