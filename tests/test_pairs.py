"""Pairwise choices leave no pair out, and are few."""

from itertools import product

from tests.pairs import pairwise

VALUES = {"name": "abcdefgh", "kind": [1, 2, 3], "spacing": ["x", "y", "z", "w"]}


def test_every_two_values_meet() -> None:
    cases = pairwise(VALUES)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        columns = [*VALUES.values()]
        met = {(case[first], case[second]) for case in cases}
        assert met == set(product(columns[first], columns[second]))
    assert len(cases) < 40 < 8 * 3 * 4
    assert cases == pairwise(VALUES)


def test_what_cannot_be_is_not_chosen() -> None:
    def possible(name: str, kind: int, _spacing: str) -> bool:
        return name != "a" or kind == 1

    cases = pairwise(VALUES, possible)
    assert all(possible(*case) for case in cases)
    assert {kind for name, kind, _ in cases if name == "a"} == {1}
    assert {spacing for name, _, spacing in cases if name == "a"} == {*"xyzw"}
