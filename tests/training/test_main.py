"""Laws of the whole way: every stage, from nothing to a model, and one stage by itself."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from pipelines import Bundle
from training import __main__ as program
from training import album, autoencoder, critic, denoiser, memory, ranker, sheets, student
from training.presets import PRESETS, Preset

NETWORKS = denoiser.Plan(
    widths=(16, 16, 32), batches=(4, 4), pieces=2, workers=2, autocast=nullcontext
)
TINY = Preset(
    device="cpu",
    postcards=4,
    generics=4,
    encoded=(4, 4),
    autoencoder=autoencoder.Plan(crop=32, batch=4, whole_batch=2, pieces=2, workers=2),
    autoencoder_minutes=1,  # three steps: each look at the clock is twenty seconds on
    estimated=4,
    decoder_minutes=0.5,
    denoiser=NETWORKS,
    denoiser_minutes=1,
    critic=critic.Plan(masked=4, batch=4, pieces=2, workers=2, autocast=nullcontext),
    critic_minutes=0.5,
    ranker=(4, 2, 2),
    ranker_minutes=0.5,
    student=student.Plan(batch=4, pieces=2, workers=2),
    student_minutes=0.5,
    milestone_minutes=0.5,
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets for an album of four pictures; the other one has another U-Net."""
    monkeypatch.setitem(PRESETS, "cpu", TINY)
    wider = replace(TINY, denoiser=replace(NETWORKS, widths=(16, 32, 32)))
    monkeypatch.setitem(PRESETS, "gpu", wider)
    monkeypatch.setattr(album, "SHARD", 4)
    exam, retrieval = critic.exam, ranker.retrieval
    held_out, samples = album.held_out, sheets.samples
    monkeypatch.setattr(critic, "exam", lambda judge, _count: exam(judge, 4))
    monkeypatch.setattr(ranker, "retrieval", lambda clip: retrieval(clip, 1, 4))
    monkeypatch.setattr(album, "held_out", lambda count, start=0: held_out(min(count, 4), start))
    monkeypatch.setattr(sheets, "samples", partial(samples, count=2, steps=2))
    # What a process of its own may do to itself.
    monkeypatch.setattr(memory, "keep", lambda: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(
        program, "open_log", lambda folder: folder.mkdir(parents=True, exist_ok=True)
    )


def widths(unet: UNet2DConditionModel) -> tuple[int, ...]:
    return tuple(unet.config["block_out_channels"])


@pytest.mark.slow
@pytest.mark.usefixtures("ticking", "tiny")
def test_every_stage_from_nothing_and_a_student_again_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    state, model, eye = tmp_path / "state", tmp_path / "model", tmp_path / "critic.safetensors"

    def train(*arguments: str) -> None:
        where = ("--state", str(state), "--out", str(model), "--critic", str(eye))
        monkeypatch.setattr("sys.argv", ["training", *where, *arguments])
        program.main()

    train()
    whole = Bundle.load(model)
    assert whole.student is not None and whole.ranker is not None
    assert critic.Critic.load(eye)
    assert widths(whole.denoiser) == NETWORKS.widths
    changed = zip(whole.denoiser.parameters(), whole.student.denoiser.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in changed), "the student has learnt nothing"

    kept = {path: path.read_bytes() for path in state.glob("*.pt")}
    assert len(kept) == len(program.STAGES)  # the denoiser has two, the album none
    train("--preset", "gpu", "--stages", "student")
    assert {path: path.read_bytes() for path in state.glob("*.pt")} == kept
    assert (state / "gpu" / "student-lora.pt").exists()
    again = Bundle.load(model).student
    assert again is not None and widths(again.denoiser) == NETWORKS.widths


@pytest.mark.usefixtures("tiny")
def test_weights_are_exported_as_they_are_in_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model, file = tmp_path / "model", tmp_path / "weights.safetensors"
    pupil = denoiser.Pupil(denoiser.build(NETWORKS.widths))
    modules = {
        "unet.": pupil.denoiser.unet, "te.": pupil.denoiser.text_encoder, "head.": pupil.head
    }  # fmt: skip
    tensors = {
        prefix + name: tensor.half()
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, file)
    where = ("--state", str(tmp_path / "state"), "--out", str(model), "--weights", str(file))
    asked = ("--stages", "denoiser", "--denoiser-minutes", "0")
    monkeypatch.setattr("sys.argv", ["training", *where, *asked])
    program.main()
    found = UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float16)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, tensors[f"unet.{name}"])
    assert not list((tmp_path / "state").rglob("latents*")), "nothing is learnt from"
