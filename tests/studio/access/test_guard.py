"""The guard: who may ask for what, tried against the whole studio as it is served."""

import asyncio
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.routes import App

from components.tabs import compare
from studio import app
from studio.access import guard
from studio.access.answers import FILE_POLICY, HEADERS, PAGE_POLICY
from studio.access.guard import MAX_UPLOAD
from tests.studio.conftest import Live
from tests.studio.requests import greet, number, picture, upload

EVIL = (
    "https://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "file://",
)


@pytest.fixture
def page(live: Live) -> Iterator[httpx.Client]:
    """A browser that has been here before."""
    with live.browser(origin=live.url) as client:
        greet(client)
        yield client


# -- where a request comes from


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7860",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "169.254.169.254",
        "[::2]",
        "[::1",
        ":7860",
    ],
)
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/heartbeat/x"])
def test_other_host_names_get_nothing(live: Live, host: str, path: str) -> None:
    with live.browser() as client:
        answer = client.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["detail"] == "The studio does not answer to that name."


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1", "LOCALHOST", "[::1]:80"])
def test_names_of_this_machine_work_also_through_a_tunnel(live: Live, host: str) -> None:
    with live.browser(host=host) as client:
        assert client.get("/robots.txt").status_code == 200
        answer = client.post(
            "/gradio_api/upload",
            headers={"origin": f"http://{host}"},
            files={"files": ("a.txt", b"x")},
        )
        assert answer.status_code == 200


@pytest.mark.parametrize("origin", EVIL)
@pytest.mark.parametrize(
    "path", ["queue/join", "run/predict", "component_server", "upload", "cancel", "reset"]
)
def test_another_origin_writes_nothing(page: httpx.Client, origin: str, path: str) -> None:
    answer = page.post(f"/gradio_api/{path}", headers={"origin": origin}, json={})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", EVIL)
def test_no_answer_may_be_read_by_another_origin(page: httpx.Client, origin: str) -> None:
    for path in ("/config", "/gradio_api/user"):
        answer = page.get(path, headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    answer = page.options("/gradio_api/queue/join", headers=preflight)
    assert answer.status_code >= 400 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_cannot_make_the_browser_ask(page: httpx.Client, site: str) -> None:
    for path in ("/config", "/gradio_api/info", "/theme.css"):
        assert page.get(path, headers={"sec-fetch-site": site}).status_code == 403
    frame = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
    assert page.get("/", headers=frame).status_code == 403


def test_a_link_on_another_site_opens_the_page_as_the_visitor_one_is(live: Live) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    with live.browser() as client:  # a strict cookie is kept back on such a click
        answer = client.get('/?__theme=dark&x="><script>', headers=link)
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    assert "url=/?__theme=dark&amp;" in answer.text and "<script>" not in answer.text


# -- what is open


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/call/paint",
        "/gradio_api/call/v2/paint",
        "/gradio_api/api/paint",
        "/gradio_api/stream/x",
        "/gradio_api/deep_link",
        "/gradio_api/openapi.json",
        "/gradio_api/runs",
        "/gradio_api/token",
        "/gradio_api/queue/status",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/heartbeat/a/b",
        "/gradio_api/run/a/b",
        "/gradio_api//queue/join",
        "/monitoring",
        "/monitoring/summary",
        "/docs",
        "/openapi.json",
        "/pwa_icon",
        "/x",
        "/assets/" + 300 * "x",
        "/static/" + 1500 * "x/",
        "/svelte/" + 90 * "山",
    ],
    ids=lambda path: path[:40],
)
def test_what_the_page_does_not_need_is_closed(page: httpx.Client, path: str) -> None:
    for answer in (page.get(path), page.post(path, json={})):
        assert answer.status_code == 404 and answer.json()["detail"] == "There is nothing here."


def test_every_route_of_the_application_is_closed_unless_it_is_known(live: Live) -> None:
    async def routes() -> list[Any]:  # in a loop: Gradio makes one where there is none
        with gr.Blocks() as blocks:
            gr.Textbox()
        return list(App.create_app(blocks).routes)

    known = {
        "/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt", "/login",
        "/logout",
        "/gradio_api/startup-events", "/gradio_api/theme.css", "/gradio_api/info",
        "/gradio_api/app_id", "/gradio_api/upload_progress",
    }  # fmt: skip
    open_to_all: set[str] = set()
    with live.browser() as client:
        for route in asyncio.run(routes()):
            path = getattr(route, "path", "")
            if "GET" in (getattr(route, "methods", None) or ()) and "{" not in path:
                path = path.rstrip("/") or "/"
                if client.get(path).status_code != 404:
                    open_to_all.add(path)
    assert open_to_all <= known and {"/", "/config"} <= open_to_all


def test_methods_that_nobody_needs_are_closed(page: httpx.Client) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in ("/", "/gradio_api/queue/join", "/gradio_api/upload"):
            assert page.request(method, path).status_code in (400, 404)
    assert page.post("/").status_code == 404
    assert page.get("/gradio_api/queue/join").status_code == 404


def test_every_answer_carries_the_headers(page: httpx.Client, tmp_path: Path) -> None:
    mine = upload(page, picture(tmp_path))
    answers = {
        page.get("/"): PAGE_POLICY,
        page.get("/nothing"): PAGE_POLICY,
        page.get(f"/gradio_api/file={mine}"): FILE_POLICY,
    }
    for answer, policy in answers.items():
        assert answer.headers["content-security-policy"] == policy
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    assert "frame-ancestors 'none'" in PAGE_POLICY and "http" not in PAGE_POLICY


# -- how much, and what shape


def test_names_are_claimed_where_they_are_used_and_few_at_a_time(page: httpx.Client) -> None:
    many = "&".join(f"session_hash=flood-{n}" for n in range(2000))
    for path in ("/", "/config", "/robots.txt", "/gradio_api/info"):
        assert page.get(f"{path}?{many}").status_code == 200
    for path in ("/gradio_api/queue/data", "/gradio_api/heartbeat/x"):
        assert page.get(f"{path}?{many}").status_code == 400
    with page.stream("GET", "/gradio_api/heartbeat/flood-7") as beat:
        assert beat.status_code == 200, "nobody has taken it"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"7",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"session_hash": 7}',
        b'{"session_hash": ["a"]}',
        b'{"session_hash": ""}',
        b'{"event_id": {}}',
        b'{"session_hash": "%s"}' % (b"x" * 201),
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("path", ["queue/join", "run/predict", "cancel", "reset"])
def test_messages_without_sense_are_refused(page: httpx.Client, path: str, content: bytes) -> None:
    answer = page.post(f"/gradio_api/{path}", content=content)
    assert answer.status_code == 400 and answer.json()["detail"]


def test_of_errors_the_page_is_told_sentences_and_nothing_else(
    page: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_given: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/home/ada/0.png")

    config = page.get("/config").json()
    said = {str(each["props"].get("value")): each["id"] for each in config["components"]}
    click = [said["Start from this picture"], "click"]
    (number,) = (each["id"] for each in config["dependencies"] if click in each["targets"])
    ask = {"data": [None, None], "fn_index": number, "session_hash": uuid.uuid4().hex}
    told = page.post("/gradio_api/run/predict", json=ask)
    assert told.json()["error"] == "There is no result to go on from. Press Run first."
    monkeypatch.setattr(compare, "result_at", gone)
    told = page.post("/gradio_api/run/predict", json=ask)
    assert told.status_code == 500
    assert "/home" not in told.text and "No such file" not in told.text


def test_messages_and_uploads_have_an_end(page: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(7):
            yield b" " * 2**20

    assert page.post("/gradio_api/run/predict", content=chunks()).status_code == 413
    assert page.post("/gradio_api/upload", content=chunks()).status_code == 411
    host, port = page.base_url.host, page.base_url.port
    with socket.create_connection((host, port or 80), 10) as raw:  # httpx would keep its word
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\n"
        raw.sendall(f"{head}Content-Length: {MAX_UPLOAD + 1}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_a_file_that_is_too_large_is_refused_though_its_request_is_not(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_BYTES", 2**20)
    monkeypatch.setattr(guard, "MAX_BYTES", 2**20)
    with serve().browser() as client:
        greet(client)
        for size, status in ((2**20, 200), (2**20 + 1, 413), (5 * 2**20, 413)):
            answer = client.post("/gradio_api/upload", files={"files": ("a.png", bytes(size))})
            assert answer.status_code == status
        assert answer.json()["detail"] == "A file may have at most 1 MB."


def test_a_stream_of_a_session_that_waits_for_nothing_ends(
    page: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = page.get("/gradio_api/queue/data", params={"session_hash": uuid.uuid4().hex})
    assert answer.status_code == 200 and "session_not_found" in answer.text
    assert "Traceback" not in capfd.readouterr().err


def test_the_queue_cannot_be_skipped(page: httpx.Client) -> None:
    body = {"data": [], "fn_index": number(str(page.base_url)), "session_hash": uuid.uuid4().hex}
    assert page.post("/gradio_api/run/predict", json=body).status_code == 404
    assert page.post("/gradio_api/run/paint", json=body).status_code == 404


@pytest.mark.parametrize(
    "wanted",
    ["bytes=1-2-3", "bytes=²-³", "bytes=--", "bytes=-", "bytes=5-", "bytes=0-" + "9" * 5000, "x=1"],
)
def test_an_odd_range_is_the_whole_file(
    page: httpx.Client, wanted: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = upload(page, b"0123456789")
    answer = page.get(f"/gradio_api/file={path}", headers={b"range": wanted.encode("latin-1")})
    assert answer.status_code == 200 and answer.content == b"0123456789"
    part = page.get(f"/gradio_api/file={path}", headers={"range": "bytes=2-4"})
    assert part.status_code == 206 and part.content == b"234"
    assert "Traceback" not in capfd.readouterr().err
