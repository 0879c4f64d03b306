"""Calls of the page's handlers, checked against the page before Gradio sees them.

Gradio looks up, unpacks and converts what it was sent on the way, and whatever goes wrong there
ends in a traceback and status 500. Here a call that no page and no program would make is refused.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn, cast

import gradio as gr
from gradio.blocks import Block, BlockFunction
from gradio.components import Checkbox, Dropdown, Number, Radio, Slider, Textbox
from gradio.data_classes import FileData
from gradio_client.utils import is_file_obj_with_meta

DEEPEST: Final = 32  # lists in lists
MOST: Final = 10_000  # values in all; the page sends some hundreds
FOLDERS: Final = 1000  # slashes in all: each may be a folder that the disk is asked about
LARGEST: Final = 2**63  # of whole numbers: what JSON is written with here knows no larger ones
UNREADABLE: Final = "That message cannot be read."
TOO_LARGE: Final = "A number in that call is far too large. Make it smaller, then try again."
UNKNOWN: Final = "The page has no such button. Reload it and try again."
COUNT: Final = "That call needs {} values and has {}. Reload the page and try again."
ODD: Final = "Value {} of that call is not what it should be. Reload the page and try again."

_PLAIN: Final = (Checkbox, Dropdown, Number, Radio, Slider, Textbox)  # whose reading is quick
_OPTIONAL: Final[Mapping[str, type | tuple[type, ...]]] = {
    "event_id": str,
    "oauth_token": str,
    "trigger_id": int,
    "batched": bool,
    "simple_format": bool,
}


def parse(content: bytes) -> dict[str, Any]:
    """A message; ValueError with a sentence where it is none, or no sane one.

    Its size is bounded before it is read: a parser in C, and whoever looks up what may be paths in
    it, would hold up everybody else.
    """
    if content.count(b",") > MOST:
        _refuse()
    try:
        told = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        _refuse()
    if not isinstance(told, dict):
        _refuse()
    message = cast("dict[str, Any]", told)
    folders = 0
    for count, (each, depth) in enumerate(_walk(message)):
        if isinstance(each, str):
            folders += each.count("/")
            if folders > FOLDERS:
                _refuse()
        wild = isinstance(each, float) and not math.isfinite(each)
        huge = isinstance(each, int) and not -LARGEST <= each < LARGEST
        if count > MOST or depth > DEEPEST:
            _refuse()
        if wild or huge:
            raise ValueError(TOO_LARGE)
    return message


def check(page: gr.Blocks, route: str, message: Mapping[str, Any]) -> None:
    """ValueError with a sentence where the page cannot have sent this.

    LookupError where it may not be asked for at once, but through the queue.
    """
    needed = {"cancel": ("session_hash", "event_id"), "reset": ("event_id",)}
    for name in needed.get(route, ("session_hash",)):
        if not isinstance(message.get(name), str):
            _refuse()
    if route == "reset":
        return
    if route == "component_server":
        return _check_component(page, message)
    if type(message.get("fn_index")) is not int:
        _refuse()
    if route != "cancel":
        _check_call(page, route, message)


def _check_call(page: gr.Blocks, route: str, message: Mapping[str, Any]) -> None:
    for name, kind in _OPTIONAL.items():
        value = message.get(name)
        odd = not isinstance(value, kind) or (kind is int and isinstance(value, bool))
        if value is not None and odd:
            _refuse()
    if message.get("batched"):
        _refuse()
    function = cast("BlockFunction | None", page.fns.get(message["fn_index"]))
    if function is None or function.fn is None:
        raise ValueError(UNKNOWN)
    if route == "run" and function.queue:
        raise LookupError
    if function.collects_event_data and not isinstance(message.get("event_data"), dict):
        _refuse()
    data = message.get("data")
    if not isinstance(data, list):
        _refuse()
    values = cast("list[Any]", data)
    if len(values) != len(function.inputs):
        raise ValueError(COUNT.format(len(function.inputs), len(values)))
    for number, (block, value) in enumerate(zip(function.inputs, values, strict=True), start=1):
        if not _fits(block, value):
            raise ValueError(ODD.format(number))


def _check_component(page: gr.Blocks, message: Mapping[str, Any]) -> None:
    """A call of a component's own function, such as the canvas's that opens a file."""
    number, name = message.get("component_id"), message.get("fn_name")
    if type(number) is not int or not isinstance(name, str):
        _refuse()
    if not isinstance(message.get("data"), list):
        _refuse()
    block = page.blocks.get(number)
    if name not in [each.__name__ for each in getattr(block, "server_fns", ())]:
        raise LookupError


def _fits(block: Block, value: Any) -> bool:
    """Whether the component can read the value; what it means, its handler checks.

    ValueError with the component's own sentence where it has one.
    """
    if getattr(block, "stateful", False):  # what it holds is the server's own
        return True
    try:
        for each, _ in _walk(value):
            if is_file_obj_with_meta(each):
                FileData.model_validate(each)
        if isinstance(block, _PLAIN):
            block.preprocess(value)
    except gr.Error as refusal:  # a sentence, such as of a number that is out of range
        raise ValueError(refusal.message) from None
    except Exception:  # whatever it is that Gradio makes of it: a call that works raises nothing
        return False
    return True


def _walk(value: object) -> Iterator[tuple[object, int]]:
    """All that a value holds, and how deep it stands."""
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        yield each, depth
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting.extend((one, depth + 1) for one in cast("list[object]", inner))


def _refuse(*_given: object) -> NoReturn:
    raise ValueError(UNREADABLE)
