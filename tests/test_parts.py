"""`python -m tests` runs two parts, and fails if one of them does."""

import subprocess

import pytest

from tests.__main__ import main

ARGUMENTS = ["-k", "canvas"]


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([0, 0], 0),
        ([0, 5], 0),  # nothing in the second part was asked for
        ([5, 0], 0),
        ([5, 5], 5),
        ([1, 0], 1),
        ([0, 1], 1),
        ([1, 5], 1),
        ([5, 1], 1),
        ([4], 4),  # what pytest does not understand, it is not told twice
        ([2], 2),
        ([-9], -9),
    ],
)
def test_a_failure_in_either_part_fails(
    codes: list[int], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def call(command: list[str], **_named: object) -> int:
        asked.append(command)
        return codes[len(asked) - 1]

    monkeypatch.setattr(subprocess, "call", call)
    assert main(ARGUMENTS) == code
    assert len(asked) == len(codes)
    assert all(command[-2:] == ARGUMENTS for command in asked)
    parts = [next(each for each in command if each.startswith("--part=")) for command in asked]
    assert parts == ["--part=beside", "--part=alone"][: len(codes)]
