"""A saved edit as the event that it ended with, whichever version of the studio wrote its recipe.

Recipes lie on the disk, where anybody can write: what is not of the right make is left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from components.contract.events import Attention, Change, Finished, FinishedPicture
from studio.runs.history import Saved, is_number


def finished(saved: Saved) -> Finished:
    """The event of an edit, new or old."""
    recipe = saved.recipe
    notes, asked = _mapping(recipe.get("notes")), _mapping(recipe.get("request"))
    count = len(saved.images)
    return Finished(
        edit_id=saved.id,
        pictures=_pictures(saved, asked, notes),
        before=saved.before,
        frames=saved.frames,
        sheets=tuple(int(each) for each in _numbers(notes.get("sheets"))),
        views=saved.views,
        seconds=_number(recipe.get("seconds")) or 0.0,
        ranking=_ranking(notes.get("ranking"), count),
        unknown_words=tuple(map(str, _list(notes.get("unknown_words")))),
        note=str(notes.get("note", "")),
        reconstruction_psnr=_number(notes.get("reconstruction_psnr")),
        ceiling_psnr=_number(notes.get("ceiling_psnr")),
        attention=_attention(notes.get("attention"), count),
        asked=asked,
        notes=notes,
    )


def _pictures(
    saved: Saved, asked: Mapping[str, Any], notes: Mapping[str, Any]
) -> tuple[FinishedPicture, ...]:
    count = len(saved.images)
    seeds = _numbers(saved.recipe.get("seeds")) or [_number(asked.get("seed")) or 0]
    words = _words(asked, count)
    figures = {
        name: _each(notes.get(name), count)
        for name in ("strengths", "agreement", "changed_inside", "changed_outside")
    }
    changes = [None, *map(_change, _list(notes.get("edits")))]
    changes += [None] * (count - len(changes))
    return tuple(
        FinishedPicture(
            path=path,
            seed=int(seeds[min(row, len(seeds) - 1)]),
            words=words[row],
            strength=figures["strengths"][row],
            agreement=figures["agreement"][row],
            changed_inside=figures["changed_inside"][row],
            changed_outside=_whole(figures["changed_outside"][row]),
            change=changes[row],
        )
        for row, path in enumerate(saved.images)
    )


def _words(asked: Mapping[str, Any], count: int) -> Sequence[str]:
    """What each picture was asked to show; in a comparison every edit has words of its own."""
    own = [str(_mapping(each).get("prompt", "")) for each in _list(asked.get("edits"))]
    prompts = [str(asked.get("prompt", "")), *own]
    return prompts if len(prompts) == count else prompts[:1] * count


def _change(told: object) -> Change | None:
    about = _mapping(told)
    if not about:
        return None
    box = _numbers(about.get("where"))
    left, top, right, bottom = map(int, box) if len(box) == 4 else (0, 0, 0, 0)
    where = (left, top, right, bottom) if len(box) == 4 else None
    return Change(str(about.get("said", "")), _number(about.get("changed")) or 0.0, where)


def _attention(told: object, count: int) -> Attention | None:
    about = _mapping(told)
    words = [list(map(str, _list(each))) for each in _list(about.get("words"))]
    size, steps = _numbers(about.get("size")), _number(about.get("steps"))
    if len(words) != count or len(size) != 2 or steps is None:
        return None
    return Attention(words, (int(size[0]), int(size[1])), int(steps))


def _ranking(told: object, count: int) -> tuple[int, ...]:
    order = tuple(int(each) for each in _numbers(told))
    return order if sorted(order) == list(range(count)) else ()


def _each(told: object, count: int) -> Sequence[float | None]:
    """One figure per picture, or as many times None."""
    values = _list(told)
    return [_number(each) for each in values] if len(values) == count else [None] * count


def _number(told: object) -> float | None:
    return cast("float", told) if is_number(told) else None


def _whole(told: float | None) -> int | None:
    return None if told is None else int(told)


def _numbers(told: object) -> Sequence[float]:
    numbers = [_number(each) for each in _list(told)]
    return [each for each in numbers if each is not None]


def _list(told: object) -> Sequence[Any]:
    return cast("Sequence[Any]", told) if isinstance(told, list | tuple) else ()


def _mapping(told: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}
