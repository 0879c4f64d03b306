"""Choices of several parameters in which every two values meet, in far fewer cases than all."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from typing import Any


def pairwise(
    values: Mapping[str, Sequence[Any]], possible: Callable[..., bool] = lambda *_: True
) -> list[tuple[Any, ...]]:
    """Cases, one value of each parameter, so that any two values of two parameters meet in one.

    Of pairs that no `possible` case has, none; greedy, and the same each time.
    """
    cases = [case for case in product(*values.values()) if possible(*case)]
    missing = {pair for case in cases for pair in _pairs(case)}
    chosen: list[tuple[Any, ...]] = []
    while missing:
        best = max(cases, key=lambda case: len(missing.intersection(_pairs(case))))
        missing.difference_update(_pairs(best))
        chosen.append(best)
    return chosen


def _pairs(case: Sequence[Any]) -> list[tuple[tuple[int, Any], tuple[int, Any]]]:
    return list(combinations(enumerate(case), 2))
