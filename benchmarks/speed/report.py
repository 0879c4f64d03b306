"""What was measured, as Markdown for people and as JSON for programs."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.speed.rounds import Spread

Figure = Spread | float | str

FORMS = {  # how a column ends → how its figures are written
    ", s": ".3f",
    ", ms": ".1f",
    ", MB": ".0f",
    ", dB": ".2f",
    "of 255": ".0f",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures; the name of a column ends with its unit, a ratio has none."""

    title: str
    about: str
    rows: dict[str, dict[str, Figure]]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured, and on what."""

    machine: str
    threads: int
    load_before: float  # of the machine, in the minute before; its own warm-up not counted
    torch: str
    diffusers: str
    model: str
    device: str
    dtype: str
    scheduler: str
    size: int  # pixels
    steps: int  # network steps that run
    guidance_scale: float
    rounds: int
    minutes: float
    tables: Sequence[Table]


def markdown(report: Report) -> str:
    lines = [
        f"{report.model}: {report.steps} steps, guidance {report.guidance_scale:g}, "
        f"{report.scheduler}, {report.size} pixels, {report.dtype} on {report.device}: "
        f"{report.machine}, {report.threads} threads, load before {report.load_before:.2f}; "
        f"torch {report.torch}, diffusers {report.diffusers}. At most {report.rounds} interleaved "
        f"rounds: median (least to most). {report.minutes:.1f} minutes.",
    ]
    for each in report.tables:
        lines += ["", f"### {each.title}", "", each.about, "", *table(each)]
    return "\n".join([*lines, ""])


def table(given: Table) -> list[str]:
    """A column for every figure that some row has."""
    names = list(dict.fromkeys(name for figures in given.rows.values() for name in figures))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row, figures in given.rows.items():
        told = [written(name, figures.get(name)) for name in names]
        lines.append(f"| {row} | {' | '.join(told)} |")
    return lines


def written(name: str, figure: Figure | None) -> str:
    """A figure as it stands in a column of that name."""
    if figure is None or isinstance(figure, str):
        return figure or ""
    form = next((form for end, form in FORMS.items() if name.endswith(end)), ".3f")
    return format(figure, form)


def as_json(report: Report) -> str:
    plain = asdict(report)
    if math.isnan(report.load_before):  # JSON has no word for it
        del plain["load_before"]
    return json.dumps(plain, indent=2, ensure_ascii=False)
