"""The course of a training, drawn from its log: `python -m training.curves`.

One panel a stage: the mean loss of each report against the minutes of training so far. Training
that went on later goes on in the same line, wherever its steps are counted from.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.progress import PROGRESS_SECONDS
from training.sheets import save

REPORT = re.compile(r"([a-z-]+?)(?:-[0-9a-f]{8})?: .*?step \d+, loss ([\d.]+)")
PANEL = (560, 300)
MARGIN = 46
INK, LINE, GRID = (40, 38, 36), (196, 70, 46), (226, 222, 214)
PAPER = (252, 250, 246)


def read(log: Path) -> dict[str, list[float]]:
    """The losses by stage, in the order they were reported."""
    found: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        if report := REPORT.search(line):
            stage, loss = report.groups()
            found.setdefault(stage, []).append(float(loss))
    return found


def draw(curves: dict[str, list[float]]) -> Image.Image:
    """A panel for each stage, two in a row."""
    width, height = PANEL
    down = -(-len(curves) // 2)
    sheet = Image.new("RGB", (2 * width, max(1, down) * height), PAPER)
    for number, (stage, curve) in enumerate(curves.items()):
        row, column = divmod(number, 2)
        sheet.paste(_panel(stage, curve), (column * width, row * height))
    return sheet


def _panel(stage: str, losses: Sequence[float]) -> Image.Image:
    width, height = PANEL
    panel = Image.new("RGB", PANEL, PAPER)
    pen, font = ImageDraw.Draw(panel), ImageFont.load_default(13)
    pen.text((MARGIN, 10), f"{stage}: loss against minutes", INK, font)
    low, high = min(losses), max(float(np.quantile(losses, 0.98)), min(losses) + 1e-6)
    minutes = len(losses) * PROGRESS_SECONDS / 60

    def spot(across: float, loss: float) -> tuple[float, float]:
        up = min(1.0, (loss - low) / (high - low))
        return MARGIN + across * (width - 2 * MARGIN), height - 34 - up * (height - 76)

    for share in (0.0, 0.5, 1.0):
        loss = low + share * (high - low)
        pen.line([spot(0, loss), spot(1, loss)], GRID)
        pen.text((6, spot(0, loss)[1] - 8), f"{loss:.2f}", INK, font)
        pen.text((spot(share, low)[0] - 10, height - 24), f"{share * minutes:.0f}", INK, font)
    across = np.linspace(0, 1, len(losses)).tolist()
    pen.line([spot(*each) for each in zip(across, losses, strict=True)], LINE, 2)
    return panel


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.curves", description=__doc__)
    state = Path("~/.cache/pentimento/training").expanduser()
    parser.add_argument("--log", type=Path, default=state / "log" / "training.log")
    out = Path("assets/models/postcard/sheets/curves.jpg")
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    save(draw(read(options.log)), options.out)


if __name__ == "__main__":
    main()
