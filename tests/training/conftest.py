from itertools import count

import pytest


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock for training that is twenty seconds on at every look."""
    ticks = count(0.0, 20.0)
    monkeypatch.setattr("training.run.monotonic", lambda: next(ticks))
