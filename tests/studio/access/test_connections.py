"""A connection on which no whole request comes is closed; one that is in use is not."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from studio.access import connections
from tests.studio.conftest import Live
from tests.studio.requests import greet


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connections, "HEAD", 0.5)
    yield


def closes(live: Live, content: bytes, drops: bytes = b"", answers: bool = False) -> bool:
    """Whether the studio hangs up within five seconds."""
    url = httpx.URL(live.url)
    with socket.create_connection((url.host, url.port or 80), 10) as raw:
        raw.sendall(content)
        raw.settimeout(0.2)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                if not raw.recv(65536):
                    return True
                assert answers
            except TimeoutError:
                pass
            except OSError:
                return True
            try:
                raw.sendall(drops)
            except OSError:
                return True
    return False


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("content", "drops"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n", b"a: b\r\n"),
    ],
)
def test_half_a_head_is_not_waited_for(live: Live, content: bytes, drops: bytes) -> None:
    assert closes(live, content, drops)


@pytest.mark.usefixtures("short")
def test_half_a_second_head_is_not_waited_for(live: Live) -> None:
    whole = b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert closes(live, whole + b"GET / HT", answers=True)


@pytest.mark.usefixtures("short")
def test_a_stream_is_not_hung_up_on(live: Live) -> None:
    stream = b"GET /gradio_api/heartbeat/calm HTTP/1.1\r\nHost: localhost\r\n\r\n"
    url = httpx.URL(live.url)
    with socket.create_connection((url.host, url.port or 80), 10) as raw:
        raw.sendall(stream)
        heard = b""
        while b"ALIVE" not in heard:
            heard += raw.recv(65536)
        raw.settimeout(2)
        with pytest.raises(TimeoutError):
            raw.recv(1)


@pytest.mark.parametrize(
    "ask",
    ["GET /gradio_api/heartbeat/odd", "GET /config", "POST /nothing", "POST /gradio_api/upload"],
)
def test_a_body_that_turns_into_garbage_ends_the_connection(
    live: Live, ask: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, or after the answer has begun: of two answers one would be the server's error."""
    head = f"{ask} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert closes(live, head.encode() + b"1\r\na\r\n", b"zz\r\n", answers=True)
    assert closes(live, head.encode() + b"zz\r\n", answers=True)
    assert not [each for each in caplog.records if each.exc_info]


def test_one_visitor_cannot_hold_all_connections(live: Live) -> None:
    held: list[socket.socket] = []
    url = httpx.URL(live.url)
    with live.browser() as mallory:
        greet(mallory)
        cookie = "; ".join(f"{name}={value}" for name, value in mallory.cookies.items())
        try:
            for number in range(96):
                raw = socket.create_connection((url.host, url.port or 80), 10)
                held.append(raw)
                raw.sendall(
                    f"GET /gradio_api/heartbeat/hold-{number} HTTP/1.1\r\nHost: localhost\r\n"
                    f"Cookie: {cookie}\r\n\r\n".encode()
                )
                assert b"HTTP/1.1 200" in raw.recv(65536)
            refused = mallory.get("/robots.txt")
            assert refused.status_code == 429 and refused.json()["detail"].endswith(".")
            with live.browser() as person:
                greet(person)
                assert person.get("/config").status_code == 200
        finally:
            for raw in held:
                raw.close()
        until = time.monotonic() + 10
        while mallory.get("/robots.txt").status_code == 429:
            assert time.monotonic() < until, "what was held is given back"
            time.sleep(0.1)


def test_one_too_many_takes_the_place_of_the_one_that_waits_longest(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of one that is in use, and whoever asks is answered meanwhile."""
    monkeypatch.setattr(connections, "most", lambda: 10)
    url = httpx.URL(live.url)
    with live.browser(origin=live.url) as client:
        greet(client)
        with client.stream("GET", "/gradio_api/heartbeat/abc") as beat:
            lines = beat.iter_lines()
            next(lines)
            idle: list[socket.socket] = []
            for _ in range(40):
                idle.append(socket.create_connection((url.host, url.port or 80), 10))
                time.sleep(0.01)
            assert httpx.get(f"{live.url}/robots.txt", timeout=2).status_code in (200, 404)
            ended = [_ended(each) for each in idle]
            assert 30 <= sum(ended) <= 33 and ended == sorted(ended, reverse=True)
            assert not beat.is_closed
        for each in idle:
            each.close()


def test_of_many_that_come_at_once_each_takes_a_place_of_its_own(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the loop was busy: all that wait are taken before the first is gone.

    Beyond CONNECTIONS of them uvicorn would answer everybody with 503.
    """
    monkeypatch.setattr(connections, "most", lambda: 5)
    made: list[set[int]] = []
    connection_made = connections.Connection.connection_made

    def count(self: connections.Connection, transport: Any) -> None:
        connection_made(self, transport)
        held: set[Any] = self.connections
        made.append({id(each) for each in held if not each.transport.is_closing()})

    monkeypatch.setattr(connections.Connection, "connection_made", count)
    url = httpx.URL(live.url)
    before = connections.Connection.data_received

    def busy(self: connections.Connection, data: bytes) -> None:
        time.sleep(0.5)
        before(self, data)

    with socket.create_connection((url.host, url.port or 80), 10) as raw:
        time.sleep(0.2)
        monkeypatch.setattr(connections.Connection, "data_received", busy)
        raw.sendall(b"GET ")
        idle = [socket.create_connection((url.host, url.port or 80), 10) for _ in range(30)]
        time.sleep(1)
        monkeypatch.setattr(connections.Connection, "data_received", before)
    for each in idle:
        each.close()
    assert len(made) >= 31 and max(map(len, made)) <= 5


def _ended(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
