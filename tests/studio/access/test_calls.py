"""Calls that no page would make are refused with a sentence; none is an error of the studio's."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio.access import calls
from studio.access.ownership import Ownership
from tests.studio.conftest import Live
from tests.studio.requests import greet

ODD: list[Any] = [
    None, True, -1, 3.7, 10**18, 1e308, "x", "a\0b", "\ud800", "x" * 5000, [], {}, [[[]]], ["x"],
    {"a": 1}, {"__type__": "update"}, {"now": 7, "last": []}, {"values": 3}, {"accepted": {}},
    {"width": 1, "height": 1, "picture": None, "strokes": None, "mask": None},
    {"meta": {"_type": "gradio.FileData"}, "url": 5},
]  # fmt: skip
EVENTS: list[Any] = [
    1, "x", [], {}, {"index": "x"}, {"index": {}}, {"index": -1}, {"wanted": {}}, {"weights": 3},
    {"weights": {"a": "b"}}, {"wanted": "../x"}, {"wanted": None},
]  # fmt: skip

TRIGGERS: list[Any] = [-1, "x", 1.5, [], 10**18]


@pytest.fixture(scope="module")
def page(live: Live) -> Iterator[httpx.Client]:
    with live.browser(origin=live.url) as client:
        greet(client)
        yield client


@pytest.fixture(scope="module")
def handlers(page: httpx.Client) -> list[tuple[dict[str, Any], list[Any]]]:
    """Each handler of the page's configuration, with what its components hold at first."""
    config = page.get("/config").json()
    held = {each["id"]: each["props"].get("value") for each in config["components"]}
    functions = [each for each in config["dependencies"] if each["backend_fn"]]
    return [(each, [held[number] for number in each["inputs"]]) for each in functions]


def send(client: httpx.Client, route: str, message: Any) -> httpx.Response:
    content = message if isinstance(message, bytes) else json.dumps(message).encode()
    return client.post(f"/gradio_api/{route}", content=content)


def call(client: httpx.Client, function: dict[str, Any], data: Any, **more: Any) -> httpx.Response:
    """To a handler, the way it is called; and what came of it, where that comes later."""
    queued = function["queue"] is not False
    session = uuid.uuid4().hex
    message = {"data": data, "fn_index": function["id"], "session_hash": session, **more}
    answer = send(client, "queue/join" if queued else "run/predict", message)
    if queued and answer.status_code == 200:
        query = {"session_hash": message["session_hash"]}
        with client.stream("GET", "/gradio_api/queue/data", params=query) as stream:
            assert any("process_" in line for line in stream.iter_lines())
    return answer


def some(values: list[Any], count: int, first: int) -> Iterator[Any]:
    """So many from the place `first` on, over and over; 0: all."""
    return islice(cycle(values), first, first + (count or len(values)))


def variants(data: list[Any], first: int) -> Iterator[list[Any]]:
    """Too few values, too many, and odd ones: in each place one, all of them by and by."""
    for length in {0, 1, len(data) - 1, len(data) + 1, 50} - {len(data), -1}:
        yield [None] * length
    for place in range(len(data)):
        value = ODD[(first + place) % len(ODD)]
        yield [*data[:place], value, *data[place + 1 :]]


@pytest.mark.slow
def test_no_handler_answers_nonsense_with_an_error_of_the_studios(
    page: httpx.Client,
    handlers: list[tuple[dict[str, Any], list[Any]]],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len(handlers) > 30
    for first, (function, data) in enumerate(handlers):
        heeds = call(page, function, data).status_code == 400  # there was no event
        tries = (
            *(call(page, function, each) for each in variants(data, first)),
            *(
                call(page, function, data, event_data=each)
                for each in some(EVENTS, 0 if heeds else 3, first)
            ),
            *(call(page, function, data, trigger_id=each) for each in some(TRIGGERS, 2, first)),
            *(call(page, function, data, batched=each) for each in (True, "x", [])),
        )
        wrong = {answer.status_code for answer in tries} - {200, 400, 403}
        assert not wrong, function["api_name"]
    told = capfd.readouterr()
    for text in (told.out, told.err, caplog.text):
        assert "Traceback" not in text, text[text.index("Traceback") :][:4000]


@pytest.mark.parametrize("number", [None, -1, 10**9, 2**70, 1.5, "x", "1", True, [], {}])
@pytest.mark.parametrize("route", ["run/predict", "run/nothing", "queue/join", "cancel"])
def test_a_handler_that_is_not_there_is_a_sentence(
    page: httpx.Client, route: str, number: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = send(page, route, {"data": [], "fn_index": number, "session_hash": "s-1"})
    assert answer.status_code == 400 and answer.json()["error"].endswith(".")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "message",
    [
        b'{"data": [1e999]}',
        b'{"data": [NaN]}',
        b'{"data": [-Infinity]}',
        b'{"data": [' + b"9" * 30 + b"]}",
        b'{"data": [' + b"9" * 5000 + b"]}",
        b'{"data": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"data": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"data": [' + b"0," * 200_000 + b"0]}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": "x"}',
        b"{}",
        b'{"data": [], "data": 7}',
        '{"data": []}'.encode("utf-16"),
    ],
)
def test_messages_out_of_measure_are_sentences(
    page: httpx.Client, message: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    function = b'{"fn_index": %d, "session_hash": "s-2", ' % _first_click(page)
    for content in (message, message.replace(b"{", function, 1)):
        for route in ("run/predict", "queue/join", "cancel", "reset"):
            answer = send(page, route, content)
            assert answer.status_code in (400, 403) and answer.json()["detail"].endswith(".")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["", "a b", "\ud800", "ü", "\0", "x" * 201, 7, [], {}, True, None])
def test_a_session_has_a_plain_name(page: httpx.Client, name: Any) -> None:
    message = {"data": [], "fn_index": 0, "session_hash": name, "event_id": "e"}
    for route in ("run/predict", "queue/join", "cancel"):
        answer = send(page, route, message)
        assert answer.status_code in (400, 403) and answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("path", ["queue/data", "upload_progress", "heartbeat/a%20b"])
def test_reading_without_a_name_is_a_sentence(page: httpx.Client, path: str) -> None:
    assert page.get(f"/gradio_api/{path}").status_code in (400, 404)


def test_what_the_page_itself_would_say_of_a_number_is_said(
    page: httpx.Client, handlers: list[tuple[dict[str, Any], list[Any]]]
) -> None:
    function, data = next(each for each in handlers if 0.7 in each[1] and not each[0]["queue"])
    data = [2.5 if value == 0.7 else value for value in data]
    answer = call(page, function, data)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Value 2.5 is greater than maximum value 1.0."


@pytest.mark.parametrize(
    ("write", "levels"),
    [(lambda n: "[" * n + "]" * n, 31), (lambda n: '{"a":' * n + "1" + "}" * n, 30)],
)
def test_depth_is_counted_exactly(write: Callable[[int], str], levels: int) -> None:
    for deep, fits in ((levels, True), (levels + 2, False)):
        content = f'{{"data": {write(deep)}}}'.encode()
        if fits:
            assert calls.parse(content)
        else:
            with pytest.raises(ValueError, match="cannot be read"):
                calls.parse(content)


def _first_click(page: httpx.Client) -> int:
    functions = page.get("/config").json()["dependencies"]
    found = (each for each in functions if each["backend_fn"] and each["queue"] is False)
    return next(found)["id"]


SLASHES = "/a" * 1000
HEAVY = {
    "short paths": ["/a"] * 99_000,
    "long paths": [SLASHES] * 60,
    "one long path": [SLASHES[:1900]],
    "values": [0] * 99_000,
    "objects": [{}] * 300_000,
    "numbers": [int("9" * 4200)] * 240,
    "letters": ["\u0101" * 170_000],
}


@pytest.mark.alone
@pytest.mark.parametrize("name", HEAVY)
def test_no_message_holds_up_the_others(name: str, tmp_path: Path) -> None:
    """In seconds of this process's work, of all that is done in the event loop's thread."""
    ownership = Ownership([tmp_path])
    content = json.dumps({"data": HEAVY[name]}).encode()
    began = time.process_time()
    try:
        message = calls.parse(content)
        assert ownership.may_name(message, "ada") and not list(ownership.named(message))
    except ValueError as refusal:
        assert str(refusal) in (calls.UNREADABLE, calls.TOO_LARGE)
    assert time.process_time() - began < 0.05


def test_a_message_is_at_most_a_megabyte(page: httpx.Client) -> None:
    answer = send(page, "run/predict", b'{"data": ["' + b"x" * 2**20 + b'"]}')
    assert answer.status_code == 413 and answer.json()["detail"] == "That message is too long."
