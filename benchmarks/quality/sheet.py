"""Pictures to look at: the best and the worst cases, and realism against faithfulness."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from benchmarks.quality.job import Figures, Result

PAPER, INK, FAINT, ACCENT = "#fbf9f4", "#1d1b18", "#b9b3a6", "#d8402a"
SIDE = 128  # of a picture on a sheet, in pixels
GAP = 8
LINE = 16  # of text


def contact(result: Result, number: int = 4) -> Image.Image:
    """The first row's best cases, then its worst; each with what all rows made of it."""
    ours = next(iter(result.outcomes.values()))
    order = sorted(
        range(len(result.cases)),
        key=lambda i: _sortable(ours.each[i].get(result.merit)),
        reverse=True,
    )
    best, worst = order[:number], order[number:][-number:]
    strips = [_strip(result, i, "best") for i in best] + [_strip(result, i, "worst") for i in worst]
    sheet = Image.new(
        "RGB",
        (max(strip.width for strip in strips), sum(strip.height for strip in strips)),
        PAPER,
    )
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet


def _sortable(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def _strip(result: Result, index: int, rank: str) -> Image.Image:
    """One case: a line of words, then pictures with their names above them."""
    case = result.cases[index]
    shown = list(case.exhibits.items())
    for row, outcome in result.outcomes.items():
        pictures = outcome.pictures[index]
        told = outcome.each[index].get(result.merit, math.nan)
        names = [f"{row.strip('`')}: {told:.3g}", *[""] * (len(pictures) - 1)]
        shown += zip(names, pictures, strict=True)
    width = len(shown) * (SIDE + GAP) + GAP
    strip = Image.new("RGB", (width, SIDE + 3 * LINE + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((GAP, GAP // 2), f"{rank}: {case.prompt}", INK, _font(13))
    for place, (name, picture) in enumerate(shown):
        left = GAP + place * (SIDE + GAP)
        for line, words in enumerate(_wrapped(name, 24)[:2]):
            draw.text((left, LINE * (1 + line) + GAP // 2), words, INK, _font(10))
        strip.paste(picture.resize((SIDE, SIDE)), (left, 3 * LINE + GAP))
    return strip


def trade_off(sweep: Mapping[float, Figures], width: int = 640, height: int = 420) -> Image.Image:
    """KID (lower: more real) over the L2 to the strokes (lower: more faithful), by strength."""
    figure = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(figure)
    left, top, right, bottom = 72, 64, width - 40, height - 56
    across = _scale([each["L2"] for each in sweep.values()], left, right)
    down = _scale([each["KID"] for each in sweep.values()], bottom, top)
    draw.text((left, 10), "Realism against faithfulness, by strength", INK, _font(15))
    draw.line([(left, top), (left, bottom), (right, bottom)], INK)
    for value in across.ticks:
        draw.line([(across(value), bottom), (across(value), bottom + 4)], INK)
        draw.text((across(value), bottom + 6), f"{value:g}", INK, _font(11), anchor="mt")
    for value in down.ticks:
        draw.line([(left, down(value)), (right, down(value))], FAINT)
        draw.text((left - 6, down(value)), f"{value:g}", INK, _font(11), anchor="rm")
    draw.text(((left + right) / 2, height - 22), "L2 to the strokes", INK, _font(12), anchor="mm")
    draw.text((left, top - 12), "1000 KID", INK, _font(12), anchor="lm")
    points = [(across(each["L2"]), down(each["KID"])) for each in sweep.values()]
    for pair in pairwise(points):
        draw.line(pair, ACCENT, 2)
    for strength, (x, y) in zip(sweep, points, strict=True):
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], ACCENT)
        draw.text((x + 7, y - 7), f"{strength:g}", INK, _font(12), anchor="ls")
    return figure


class _scale:
    """Values to pixels, with round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values), max(values)
        room = (high - low) * 0.08 or 1.0
        self.low, self.high = low - room, high + room
        self.start, self.end = start, end
        rough = (self.high - self.low) / 5
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * times for times in (1, 2, 5, 10) if size * times >= rough)
        first = math.ceil(self.low / step)
        self.ticks = [step * i for i in range(first, math.floor(self.high / step) + 1)]

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
