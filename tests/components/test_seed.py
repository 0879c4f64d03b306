"""The seed: which one the next run gets."""

import pytest

from components.seed import SEEDS, next_seed


@pytest.mark.parametrize(
    ("shown", "locked", "used"),
    [(7, False, None), (7, False, 3), (7, True, 3), (7, True, 7), (0, False, None)],
)
def test_a_new_or_locked_seed_is_used(shown: int, locked: bool, used: int | None) -> None:
    assert next_seed(shown, locked, used) == shown


def test_a_used_seed_is_replaced() -> None:
    drawn = {next_seed(7, False, 7) for _ in range(20)}
    assert len(drawn) == 20
    assert all(0 <= each < SEEDS for each in drawn)
