"""The sizes a model can work at."""

import math


def fit(size: tuple[int, int], native: int, multiple: int) -> tuple[int, int]:
    """(width, height) of a picture → the size to work at.

    Both sides are multiples of `multiple`, the area does not exceed `native` squared; within that,
    the aspect is kept as far as the grid allows and the area is large.
    """
    width, height = size
    if width < 1 or height < 1:
        raise ValueError("A picture needs at least one pixel on each side.")
    room = max((native // multiple) ** 2, 1)  # cells that the area may hold

    def merit(grid: tuple[int, int]) -> float:
        """Each per cent of distortion weighs as much as two per cent of the area."""
        across, down = grid
        return math.log(across * down) - 2 * abs(math.log(across * height / down / width))

    grids = (
        (across, down) for across in range(1, room + 1) for down in range(1, room // across + 1)
    )
    across, down = max(grids, key=merit)
    return across * multiple, down * multiple
