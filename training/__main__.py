"""`python -m training`: draw the world, train the autoencoder, the denoiser and what stands beside.

Beside the model stand the ranker (`ranker/`, a CLIP) and the student (`fast/`, a LoRA for few
steps).

Every stage resumes: what lies under `--state` is not done again. The presets share its album and
masks; the GPU's networks are kept in `gpu/`. With an empty state and a model already in `--out`,
training goes on from that model's weights, or the denoiser's from those of `--weights`; with
`--denoiser-minutes 0` these are exported as they are.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from pipelines.request import Range
from training import (
    album,
    autoencoder,
    critic,
    decoder,
    denoiser,
    estimates,
    export,
    latents,
    lessons,
    lora,
    memory,
    ranker,
    sheets,
    start,
    student,
    texts,
)
from training.presets import PRESETS, Preset
from training.progress import open_log, say

STAGES = ("album", "autoencoder", "denoiser", "decoder", "critic", "ranker", "student")


def main() -> None:
    options = parse()
    preset = replace(
        PRESETS[options.preset],
        **{name: value for name in MINUTES if (value := getattr(options, name)) is not None},
    )
    if options.weights is not None:
        _check(options.weights, preset)
    open_log(options.state / "log")
    (options.state / "pid").write_text(f"{os.getpid()}\n")
    memory.keep()
    torch.set_num_threads(1)  # the pieces of a batch are what runs side by side
    torch.manual_seed(0)
    if "album" in options.stages:
        album.fill(_shelf(options), preset.postcards, preset.generics, os.cpu_count() or 1)
    vae = _autoencoder(preset, options)
    if "denoiser" in options.stages:
        export.write(vae, _denoiser(preset, options, vae), options.out)
        say(f"export: final, {options.out}")
    device = torch.device(preset.device)
    if "decoder" in options.stages:
        networks = export.read(options.out, device)[1]
        vae = _decoder(preset, options, vae, networks)
        export.write(vae, networks, options.out)
        say(f"export: decoder, {options.out}")
    if "critic" in options.stages:
        lessons = critic.Lessons(_shelf(options) / "postcard", options.state, preset.critic.masked)
        work = lessons, _networks(options), preset.critic_minutes, preset.critic
        judge = critic.train(*work, critic.begin(options.critic))
        judge.save(options.critic)
        say(f"critic: {critic.summary(critic.exam(judge, 500))}")
    if "ranker" in options.stages:
        begin = export.read(options.out, device)[1].text_encoder
        plan = ranker.Plan(*preset.ranker, preset.device)
        work = _shelf(options), _networks(options), preset.ranker_minutes, plan
        clip = ranker.train(*work, begin)
        export.write_ranker(clip, options.out)
        say(f"ranker: {ranker.retrieval(clip):.1%} of held-out captions found among 64")
    if "student" in options.stages:
        fast = student.train(
            _lessons(preset, options, vae, denoiser.WHOLE),
            _networks(options),
            preset.student_minutes,
            preset.student,
            export.read(options.out, device)[1],
            options.out / "fast" / lora.FILE,
        )
        export.write_fast(fast, options.out)
        say(f"export: student, {options.out / 'fast'}")


LONGEST = 100_000  # minutes of a stage, ten weeks
MINUTES = tuple(f"{stage}_minutes" for stage in STAGES[1:])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--out", type=Path, default=Path("assets/models/postcard"))
    parser.add_argument("--critic", type=Path, default=critic.WEIGHTS)
    parser.add_argument(
        "--state", type=Path, default=Path("~/.cache/pentimento/training").expanduser()
    )
    parser.add_argument(
        "--weights", type=Path, help="safetensors of unet.*, te.*, head.*: begin the denoiser there"
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    for name in MINUTES:
        flag = "--" + name.replace("_", "-")
        budget = Range(0, LONGEST, 0.1, f"The {name.replace('_', ' ')}")
        help = "wall-clock budget; the preset's by default"
        parser.add_argument(flag, type=budget.argument, help=help)
    return parser.parse_args(arguments)


def _check(weights: Path, preset: Preset) -> None:
    """Leave with one sentence where `--weights` cannot be used, before anything is drawn."""
    try:
        start.read(weights, denoiser.Pupil(denoiser.build(preset.denoiser.widths)))
    except ValueError as error:
        raise SystemExit(str(error)) from error


def _shelf(options: argparse.Namespace) -> Path:
    return options.state / f"album-{album.edition():08x}"


def _networks(options: argparse.Namespace) -> Path:
    """The folder of a preset's checkpoints; the CPU's lie beside the album."""
    return options.state if options.preset == "cpu" else options.state / options.preset


def _autoencoder(preset: Preset, options: argparse.Namespace) -> autoencoder.AutoencoderTiny:
    """The trained autoencoder; where its stage is left out, as far as it got."""
    device = torch.device(preset.device)
    state = _networks(options)
    fresh = not (state / "autoencoder.pt").exists()
    if fresh and export.exists(options.out):
        begun = export.read(options.out, device)[0]
    else:
        with device:
            begun = autoencoder.build()
    work = _shelf(options), state
    minutes = preset.autoencoder_minutes if "autoencoder" in options.stages else 0
    vae = begun.eval()
    if minutes or not fresh:
        vae = autoencoder.train(*work, minutes, preset.autoencoder, begun)
    vae = decoder.resumed(state, vae)
    sheets.reconstructions(vae, state / "sheets" / "autoencoder.jpg")
    say(f"autoencoder: held-out PSNR {autoencoder.psnr(vae, album.held_out(32)):.2f}")
    return vae


def _decoder(
    preset: Preset,
    options: argparse.Namespace,
    vae: autoencoder.AutoencoderTiny,
    networks: denoiser.Denoiser,
) -> autoencoder.AutoencoderTiny:
    folder, state, workers = _shelf(options), _networks(options), preset.autoencoder.workers
    count = preset.estimated
    encoded = latents.cached(vae, folder, denoiser.WHOLE, count, workers)
    captions = texts.cached(folder, count)[:, 0]
    left = estimates.cached(networks, encoded, captions, state / estimates.FILE, workers)
    work = folder, state, preset.decoder_minutes, preset.autoencoder
    vae = decoder.train(*work, vae, decoder.Estimates(left))
    sheets.reconstructions(vae, state / "sheets" / "decoder.jpg")
    say(f"decoder: held-out PSNR {autoencoder.psnr(vae, album.held_out(32)):.2f}")
    return vae


def _lessons(
    preset: Preset, options: argparse.Namespace, vae: autoencoder.AutoencoderTiny, size: int
) -> lessons.Lessons:
    folder, count = _shelf(options), preset.encoded[size == denoiser.WHOLE]
    encoded = latents.cached(vae, folder, size, count, preset.denoiser.workers)
    return lessons.Lessons.of(folder, encoded)


def _denoiser(
    preset: Preset, options: argparse.Namespace, vae: autoencoder.AutoencoderTiny
) -> denoiser.Denoiser:
    device = torch.device(preset.device)
    state = _networks(options)
    begun = any((state / name).exists() for name in (denoiser.LAST, denoiser.FIRST))
    if begun:
        if options.weights is not None:
            say(f"denoiser: {options.weights} is not read, since {state} holds a training begun")
        first, fresh = denoiser.Pupil(denoiser.build(preset.denoiser.widths)).to(device), True
    else:
        first, fresh = start.begin(preset.denoiser.widths, options.out, options.weights, device)
        if not preset.denoiser_minutes:
            return first.denoiser

    def milestone(networks: denoiser.Denoiser, size: int, fraction: float) -> None:
        export.write(vae, networks, options.out)
        path = state / "sheets" / f"denoiser-{size}-{fraction:.2f}.jpg"
        sheets.samples(export.assemble(vae, networks), path, size)
        say(f"export: at {fraction:.0%} of the time for {size} pixels; see {path}")

    return denoiser.train(
        partial(_lessons, preset, options, vae),
        state,
        preset.denoiser_minutes,
        preset.denoiser,
        first,
        denoiser.Milestone(preset.milestone_minutes, milestone),
        fresh,
    )


if __name__ == "__main__":
    main()
