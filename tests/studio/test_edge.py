"""The guard: who may ask for what, tried against the whole studio as it is served."""

import asyncio
import json
import socket
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.routes import App
from gradio.utils import get_upload_folder
from PIL import Image

from studio.edge import FILE_POLICY, HEADERS, PAGE_POLICY
from tests.studio.conftest import Live

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


def greet(client: httpx.Client) -> None:
    assert client.get("/robots.txt").status_code == 200 and client.cookies


def upload(client: httpx.Client, content: bytes = b"") -> str:
    content = content or uuid.uuid4().bytes
    answer = client.post("/gradio_api/upload", files={"files": ("a.png", content)})
    assert answer.status_code == 200
    return answer.json()[0]


@cache
def number(url: str) -> int:
    """Gradio's number for /paint."""
    functions = httpx.get(f"{url.rstrip('/')}/config").json()["dependencies"]
    return next(each["id"] for each in functions if each["api_name"] == "paint")


def given(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def join(client: httpx.Client, image: object, session: str) -> httpx.Response:
    data = [image, "a house", "", 0.7, 2, 1.0, 7, 1, None, "default", 0.0, 1]
    body = {"data": data, "fn_index": number(str(client.base_url)), "session_hash": session}
    return client.post("/gradio_api/queue/join", json=body)


def told(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                found.append(json.loads(line[5:]))
                if found[-1]["msg"] == "process_completed":
                    break
    return found


def picture(tmp_path: Path) -> bytes:
    path = tmp_path / f"{uuid.uuid4().hex}.png"
    Image.effect_noise((32, 32), 50).convert("RGB").save(path)
    return path.read_bytes()


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
@pytest.mark.parametrize("path", ["queue/join", "run/predict", "upload", "cancel", "reset"])
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
        "/gradio_api/component_server",
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
    ],
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


# -- whose is what


def test_a_visitor_gets_a_cookie_once(live: Live) -> None:
    with live.browser() as client:
        first = client.get("/")
        assert "HttpOnly; SameSite=Strict" in first.headers["set-cookie"]
        assert "set-cookie" not in client.get("/robots.txt").headers
    assert first.headers["cache-control"] == "no-store"


def test_a_foreign_session_is_of_no_use(live: Live, page: httpx.Client, tmp_path: Path) -> None:
    joined = join(page, given(upload(page, picture(tmp_path))), "ada-session")
    assert joined.status_code == 200
    event, paint = joined.json()["event_id"], number(str(page.base_url))
    with live.browser() as mallory, live.browser() as nobody:
        greet(mallory)
        for thief in (mallory, nobody):
            tries = [
                thief.get("/gradio_api/queue/data?session_hash=ada-session"),
                thief.get("/gradio_api/queue/data?session_hash=own&session_hash=ada-session"),
                thief.get("/gradio_api/queue/data?session_hash=ada-session&session_hash=own"),
                thief.get("/gradio_api/heartbeat/ada-session"),
                join(thief, None, "ada-session"),
                thief.post(
                    "/gradio_api/queue/join?session_hash=own",
                    json={"data": [], "fn_index": paint, "session_hash": "ada-session"},
                ),
                thief.post(
                    "/gradio_api/run/predict",
                    json={"data": [], "fn_index": paint, "session_hash": "ada-session"},
                ),
                thief.post(
                    "/gradio_api/cancel",
                    json={"session_hash": "own", "fn_index": paint, "event_id": event},
                ),
            ]
            assert [answer.status_code for answer in tries] == [403] * len(tries)
    assert told(page, "ada-session")[-1]["success"]


def test_a_foreign_file_is_neither_served_nor_taken(
    live: Live, page: httpx.Client, tmp_path: Path
) -> None:
    content = picture(tmp_path)
    path = upload(page, content)
    assert page.get(f"/gradio_api/file={path}").content == content
    with live.browser(origin=live.url) as mallory, live.browser() as nobody:
        greet(mallory)
        for thief in (mallory, nobody):
            assert thief.get(f"/gradio_api/file={path}").status_code == 403
            assert join(thief, given(path), uuid.uuid4().hex).status_code == 403


def test_a_result_is_its_owners_alone(live: Live, page: httpx.Client, tmp_path: Path) -> None:
    session = uuid.uuid4().hex
    assert join(page, given(upload(page, picture(tmp_path))), session).status_code == 200
    messages = told(page, session)
    assert messages[-1]["success"], messages[-1]
    path = messages[-1]["output"]["data"][0]["images"][0]["path"]
    assert page.get(f"/gradio_api/file={path}").headers["content-type"] == "image/png"
    for hidden in (live.data / "edits").rglob("*.*"):
        assert page.get(f"/gradio_api/file={hidden}").status_code == 403, "nobody was told of it"
    with live.browser() as mallory:
        greet(mallory)
        assert mallory.get(f"/gradio_api/file={path}").status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "etc/passwd",
        "../../../../../etc/passwd",
        "..%2f..%2f..%2fetc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/proc/self/cwd/app.py",
        "{cache}/../index.sqlite",
        "{data}/secret",
        "{data}/index.sqlite",
        "{data}/edits",
        "app.py",
        "studio/app.py",
        "C:\\windows\\win.ini",
        "\\\\host\\share",
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/a.png",
        "file:///etc/passwd",
        "a%00b",
        "",
    ],
)
def test_no_other_file_is_served_or_taken(live: Live, page: httpx.Client, name: str) -> None:
    path = name.format(cache=get_upload_folder(), data=live.data)
    for method in ("GET", "HEAD"):
        answer = page.request(method, f"/gradio_api/file={path}")
        assert answer.status_code in (403, 404)
        assert b"root:" not in answer.content and b"import" not in answer.content
    assert join(page, given(path), uuid.uuid4().hex).status_code == 403
    assert join(page, {"x": [given(path)]}, uuid.uuid4().hex).status_code == 403


# -- how much, and what shape


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


def test_messages_and_uploads_have_an_end(page: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(7):
            yield b" " * 2**20

    assert page.post("/gradio_api/run/predict", content=chunks()).status_code == 413
    assert page.post("/gradio_api/upload", content=chunks()).status_code == 411
    host, port = page.base_url.host, page.base_url.port
    with socket.create_connection((host, port or 80), 10) as raw:  # httpx would keep its word
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: {65 * 2**20}"
        raw.sendall(f"{head}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    over = page.post("/gradio_api/upload", files={"files": ("a.png", bytes(21 * 2**20))})
    assert over.status_code == 413


def test_the_queue_cannot_be_skipped(page: httpx.Client) -> None:
    body = {"data": [], "fn_index": number(str(page.base_url)), "session_hash": uuid.uuid4().hex}
    assert page.post("/gradio_api/run/predict", json=body).status_code == 404
    assert page.post("/gradio_api/run/paint", json=body).status_code == 404


# -- with a login


def test_without_a_login_nothing_is_open(locked: Live) -> None:
    with locked.browser() as client:
        answer = client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        for path in ("/config", "/theme.css", "/assets/x.js", "/gradio_api/info", "/favicon.ico"):
            assert client.get(path).status_code == 401
        for path in ("queue/join", "upload", "cancel", "run/predict"):
            files = {"files": ("a.png", b"x")} if path == "upload" else None
            json_ = None if files else {"session_hash": "s"}
            answer = client.post(f"/gradio_api/{path}", json=json_, files=files)
            assert answer.status_code == 401
        assert client.get("/login").status_code == 200


def test_logging_in_and_out(locked: Live) -> None:
    with locked.browser(accept="text/html", origin=locked.url) as client:
        wrong = client.post("/login", data={"username": "ada", "password": "night"})
        assert wrong.status_code == 401 and "not right" in wrong.text
        assert not client.cookies
        right = client.post("/login", data={"username": "ada", "password": "day"})
        assert (right.status_code, right.headers["location"]) == (303, "/")
        assert client.get("/config").json()["username"] == "ada"
        client.get("/logout")
        assert client.get("/config").status_code == 401


def test_another_site_cannot_log_anybody_in(locked: Live) -> None:
    with locked.browser(origin="https://evil.example") as client:
        answer = client.post("/login", data={"username": "ada", "password": "day"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_a_public_address_answers_to_addresses_and_its_own_name(
    serve: Callable[..., Live],
) -> None:
    public = serve(host="0.0.0.0", login=("ada", "day"))
    with public.browser() as client:
        assert client.get("/login", headers={"host": "192.168.1.7:7860"}).status_code == 200
        assert client.get("/login", headers={"host": "evil.example"}).status_code == 421
