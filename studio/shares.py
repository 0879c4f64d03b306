"""How much of something scarce one visitor may hold, all newcomers together, and everybody.

The studio hands out cookies freely, so a bound for each visitor alone bounds nothing. What new
cookies hold together is bounded as well, below what there is: there is always room left for those
who were here before them. Which visitor has which share, `visitors` says.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Share:
    name: str
    known: bool  # False for a newcomer's


STRANGERS: Final = Share("strangers", False)  # of everybody without a cookie


@dataclass(frozen=True, slots=True)
class Bounds:
    each: int  # for one share
    newcomers: int  # for all newcomers' shares together
    total: int


class Tally:
    """What is held on each share."""

    def __init__(self, bounds: Bounds, held: Iterable[Share] = ()) -> None:
        self.bounds = bounds
        self._held = Counter(held)
        self._total = self._held.total()
        self._newcomers = sum(n for share, n in self._held.items() if not share.known)

    def of(self, share: Share) -> int:
        """How much the owner of the share holds, also what they took when they were new."""
        return self._held[Share(share.name, False)] + self._held[Share(share.name, True)]

    def room(self, share: Share) -> int:
        """How much more may be taken on this share now; 0 where there is no room."""
        left = [self.bounds.each - self.of(share), self.bounds.total - self._total]
        if not share.known:
            left.append(self.bounds.newcomers - self._newcomers)
        return max(0, min(left))

    def heaviest(self) -> Share | None:
        """On which newcomer's share most is held."""
        shares = (share for share in self._held if not share.known)
        return max(shares, key=self._held.__getitem__, default=None)

    def add(self, share: Share, amount: int = 1) -> None:
        """Count `amount` more; negative, to give back what was taken on the very same share."""
        self._held[share] += amount
        self._total += amount
        self._newcomers += 0 if share.known else amount
        if not self._held[share]:
            del self._held[share]
