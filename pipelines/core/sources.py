"""What a comparison found out about its source, kept for the next edits of the same one."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from pipelines.core.bundle import Bundle
from pipelines.core.inversion import Inversion
from pipelines.core.latest import Latest
from pipelines.core.tape import Call, Tape


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources used last, so that a second edit of one pays for itself only.

    Make one and pass it to every run that is to share it.
    """

    inversions: Latest[Inversion] = field(default_factory=lambda: Latest(8))
    tapes: Latest[list[Call]] = field(default_factory=lambda: Latest(1))

    def tape(self, bundle: Bundle, run: Hashable) -> Tape:
        """Of the source's own run: kept from another edit, or empty, to be kept."""
        return Tape(self.tapes.find(bundle, run) or ())

    def keep(self, bundle: Bundle, run: Hashable, tape: Tape) -> None:
        if tape.calls:
            self.tapes.keep(bundle, run, tape.calls)
