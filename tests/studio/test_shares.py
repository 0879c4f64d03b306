"""Who may take how much, as a table."""

import pytest

from studio.shares import STRANGERS, Bounds, Share, Tally

ADA, NEW, OTHER = Share("ada", True), Share("eve", False), Share("bob", False)
BOUNDS = Bounds(each=4, newcomers=6, total=8)


@pytest.mark.parametrize(
    ("held", "share", "room"),
    [
        ([], ADA, 4),
        ([], NEW, 4),
        ([NEW] * 3, NEW, 1),
        ([NEW] * 4, NEW, 0),
        ([NEW] * 4, OTHER, 2),
        ([NEW] * 4 + [OTHER] * 2, STRANGERS, 0),
        ([NEW] * 4 + [OTHER] * 2, ADA, 2),
        ([ADA] * 4 + [NEW] * 4, OTHER, 0),
        ([Share("ada", False)] * 3, ADA, 1),
    ],
)
def test_room(held: list[Share], share: Share, room: int) -> None:
    assert Tally(BOUNDS, held).room(share) == room


def test_what_is_given_back_is_there_again() -> None:
    tally = Tally(BOUNDS)
    for share in (ADA, NEW, STRANGERS):
        tally.add(share, 3)
        assert tally.of(share) == 3
        tally.add(share, -3)
    assert [tally.room(share) for share in (ADA, NEW, STRANGERS)] == [4, 4, 4]
