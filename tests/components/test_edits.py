"""The rows of edits as they arrive: known, whole, or refused with one sentence."""

from typing import Any

import pytest

from components.contract.rows import UNREADABLE, read


def test_rows_come_through_as_they_were_written() -> None:
    row = {
        "prompt": "a blue house",
        "self_replace_steps": [0.1, 0.5],
        "cross_replace_steps": {"default_": 0.8, "blue": [0.2, 0.4]},
        "weights": {"blue": -1.5},
        "local_blend": {"source": "house", "target": ["house"], "threshold": 0.4},
    }
    (found,) = read([row])
    assert found == {**row, "local_blend": found["local_blend"]}
    assert found["local_blend"] == {
        "source": ("house",),
        "target": ("house",),
        "subtract": (),
        "threshold": 0.4,
    }
    assert read(None) == [] == read([])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("a blue house", UNREADABLE),
        ({"prompt": "a"}, UNREADABLE),
        ([[]] * 1001, "1001 edits are far too many"),
        (["a blue house"], "Edit 1 must be a dictionary"),
        ([{"prompt": "a"}, {}], "Edit 2 has no words yet"),
        ([{"prompt": "  "}], "Edit 1 has no words yet"),
        ([{"prompt": 7}], "Edit 1 has no words yet"),
        ([{"prompt": "a", "image": "/etc/passwd"}], "but not 'image'"),
        ([{"prompt": "a", "weights": ["a"]}], "must be given by word"),
        ([{"prompt": "a", "weights": {7: 1.0}}], "must be given by word"),
        ([{"prompt": "a", "cross_replace_steps": {1: 2}}], "must be given by word"),
        ([{"prompt": "a", "local_blend": ["a"]}], "the local blend must be a dictionary"),
        ([{"prompt": "a", "local_blend": {"source": [1]}}], "takes words under 'source'"),
        ([{"prompt": "a", "local_blend": {"where": "a"}}], "but not 'where'"),
    ],
)
def test_anything_else_is_one_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        read(value)
    assert sentence in str(refused.value) and str(refused.value).endswith(".")
