"""Headers that mean harm: one sentence, in proportion to their length, waiting for none."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipelines.networks import checkpoint, header
from tests import hostile


@pytest.mark.parametrize("make", hostile.KINDS.values(), ids=hostile.KINDS.keys())
def test_a_hostile_file_is_refused_or_read_in_a_moment(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "bad.safetensors"
    make(path)
    began = time.process_time()
    try:
        assert checkpoint.read(path).kind
    except ValueError as refusal:
        assert re.fullmatch(r"[^\n]*bad\.safetensors[^\n]*\.", str(refusal)), refusal
        assert len(str(refusal)) < 250 and str(refusal).isprintable()
    assert time.process_time() - began < 3  # of this thread and at most 4 MB; it was half a minute


def test_a_long_header_is_refused_by_its_length_alone(tmp_path: Path) -> None:
    path = tmp_path / "long.safetensors"
    with path.open("wb") as file:
        file.write((4 * 2**20 + 1).to_bytes(8, "little"))
        file.truncate(2**33)  # holes
    began = time.process_time()
    with pytest.raises(ValueError, match=r"^The header of long\.safetensors takes 4\.0 MB; 4 MB"):
        checkpoint.read(path)
    assert time.process_time() - began < 0.1


def test_a_header_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    tensors = {
        'a "quoted" \\ name\t': torch.zeros(2, 3),
        "größe.山": torch.zeros(0, 4, dtype=torch.float16),
        "scalar": torch.tensor(1, dtype=torch.int64),
        "fp8": torch.zeros(3, dtype=torch.float8_e4m3fn),
    }
    save_file(tensors, path, {"one": 'brace } and "', "two": "\n"})
    found = header.read(path)
    assert {name: shape for name, (_, shape) in found.tensors.items()} == {
        name: tuple(each.shape) for name, each in tensors.items()
    }
    assert found.tensors["fp8"][0] == "F8_E4M3"
    assert found.metadata["one"] == 'brace } and "'
    spaced = json.dumps({"a": {"shape": [2], "data_offsets": [0, 2], "dtype": "U8"}}, indent=2)
    assert header.parsed(spaced + "   ", 2).tensors == {"a": ("U8", (2,))}
    assert header.parsed(" { } ", 0).tensors == {}


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe.safetensors", tmp_path / "folder.safetensors"
    os.mkfifo(pipe)
    folder.mkdir()
    loop = tmp_path / "loop.safetensors"
    loop.symlink_to(loop)
    for path in (pipe, folder, Path("/dev/zero")):
        with pytest.raises(ValueError, match=rf"^{path.name} is no file; only .safetensors "):
            checkpoint.read(path)
    for path in (loop, tmp_path / "gone.safetensors"):
        with pytest.raises(ValueError, match=rf"^{path.name} cannot be read \(.*\)\.$"):
            checkpoint.read(path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (tmp_path / "unet").mkdir()
    os.mkfifo(tmp_path / "unet" / "x.safetensors")
    with pytest.raises(ValueError, match=r"^x\.safetensors is no file"):
        checkpoint.check_folder(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["[" * 10**6, "[]" + " " * 2**18, '{"a":' * 40_000, "\xff", "{", r'{"_class_name": "\ud800"}'],
)
def test_a_configuration_is_bounded(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model_index.json"
    path.write_text(text, "latin-1")
    with pytest.raises(ValueError, match=r"^The model_index\.json of .* cannot be read\.$"):
        checkpoint.check_folder(tmp_path)
