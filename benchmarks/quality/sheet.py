"""Pictures to look at: the best and the worst cases, and realism against faithfulness."""

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

from benchmarks.quality.job import Figures, Result

PAPER, INK, FAINT, ACCENT = "#fbf9f4", "#1d1b18", "#b9b3a6", "#d8402a"
SIDE = 128  # of a picture on a sheet, in pixels
GAP = 8
LINE = 16  # of text
LETTER = 7  # pixels that one takes in a case's words, on average and no less
FINE = 3  # times that a figure is drawn larger, so that its lines are smooth


def contact(result: Result, number: int = 4) -> Image.Image:
    """The first row's best cases, then its worst, `number` of each or half of what there is.

    Each with what all rows made of it.
    """
    ours = next(iter(result.outcomes.values()))
    order = sorted(
        range(len(result.cases)),
        key=lambda i: _sortable(ours.each[i].get(result.merit)),
        reverse=True,
    )
    number = min(number, (len(order) + 1) // 2)
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
    """One case: its words, then pictures with their names above them."""
    case = result.cases[index]
    shown = list(case.exhibits.items())
    for row, outcome in result.outcomes.items():
        pictures = outcome.pictures[index]
        told = outcome.each[index].get(result.merit, math.nan)
        names = [f"{row.strip('`')}: {told:.3g}", *[""] * (len(pictures) - 1)]
        shown += zip(names, pictures, strict=True)
    width = len(shown) * (SIDE + GAP) + GAP
    said = _wrapped(f"{rank}: {case.prompt}", (width - 2 * GAP) // LETTER)
    top = (len(said) + 2) * LINE + GAP
    strip = Image.new("RGB", (width, top + SIDE + GAP), PAPER)
    draw = ImageDraw.Draw(strip)
    for line, words in enumerate(said):
        draw.text((GAP, LINE * line + GAP // 2), words, INK, _font(13))
    for place, (name, picture) in enumerate(shown):
        left = GAP + place * (SIDE + GAP)
        for line, words in enumerate(_wrapped(name, 24)[:2], len(said)):
            draw.text((left, LINE * line + GAP // 2), words, INK, _font(10))
        strip.paste(picture.resize((SIDE, SIDE)), (left, top))
    return strip


def trade_off(sweep: Mapping[float, Figures], width: int = 640, height: int = 420) -> Image.Image:
    """KID (lower: more real) over the L2 to the strokes (lower: more faithful), by strength."""
    figure = Image.new("RGB", (FINE * width, FINE * height), PAPER)
    draw = ImageDraw.Draw(figure)
    one = FINE  # of the figure's pixels
    left, top, right, bottom = 72 * one, 64 * one, (width - 40) * one, (height - 56) * one
    across = _scale([each["L2"] for each in sweep.values()], left, right)
    down = _scale([each["KID"] for each in sweep.values()], bottom, top)

    def write(x: float, y: float, words: str, size: int, anchor: str) -> None:
        draw.text((x, y), words, INK, _font(size * one), anchor=anchor)

    write(left, 20 * one, "Realism against faithfulness, by strength", 15, "lm")
    for value in down.ticks:
        draw.line([(left, down(value)), (right, down(value))], FAINT, one)
        write(left - 6 * one, down(value), f"{value:g}", 11, "rm")
    for value in across.ticks:
        draw.line([(across(value), bottom), (across(value), bottom + 4 * one)], INK, one)
        write(across(value), bottom + 6 * one, f"{value:g}", 11, "mt")
    draw.line([(left, top), (left, bottom), (right, bottom)], INK, one)
    write(
        (left + right) / 2, bottom + 34 * one, "L2 to the strokes: left is more faithful", 12, "mm"
    )
    write(left, top - 12 * one, "1000 KID: lower is more real", 12, "lm")
    points = [(across(each["L2"]), down(each["KID"])) for each in sweep.values()]
    draw.line(points, ACCENT, 2 * one, joint="curve")
    for strength, (x, y) in zip(sweep, points, strict=True):
        draw.circle((x, y), 4 * one, ACCENT)
        write(x + 7 * one, y - 7 * one, f"{strength:g}", 12, "ls")
    return figure.resize((width, height), Image.Resampling.BOX)


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
