"""Sessions, events, files and results are of use to their owner only; so is a login."""

import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from gradio.utils import get_upload_folder

from tests.studio import full
from tests.studio.conftest import Live
from tests.studio.requests import given, greet, join, number, picture, told, upload

TEMPORARY = Path(tempfile.gettempdir())


@pytest.fixture
def page(live: Live) -> Iterator[httpx.Client]:
    """A browser that has been here before."""
    with live.browser(origin=live.url) as client:
        greet(client)
        yield client


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


def test_a_file_is_opened_on_the_canvas_for_its_owner_only(
    live: Live, page: httpx.Client, tmp_path: Path
) -> None:
    def opened(who: httpx.Client, path: str, function: str = "open_file") -> httpx.Response:
        components = page.get("/config").json()["components"]
        canvas = next(
            each["id"] for each in components if "open_file" in each["props"].get("server_fns", ())
        )
        call = {"component_id": canvas, "fn_name": function, "data": [path, "picture"]}
        session = {"session_hash": uuid.uuid4().hex}
        return who.post("/gradio_api/component_server/", json={**call, **session})

    path = upload(page, picture(tmp_path))
    answer = opened(page, path).json()
    assert (answer["path"], answer["width"]) == (path, 32)
    shown = page.get(f"/gradio_api/file={answer['shown']['path']}")
    assert shown.headers["content-type"] == "image/png"
    assert opened(page, path, "holds").json() is True
    for other in ("/etc/passwd", "app.py", f"{path}/../../secret", str(live.data / "secret"), "\0"):
        refused, held = opened(page, other), opened(page, other, "holds")
        assert refused.status_code == 403 or "did not arrive" in refused.json()["refused"]
        assert held.status_code == 403 or held.json() is False
    assert opened(page, path, "show").status_code == 404
    with live.browser(origin=live.url) as mallory:
        greet(mallory)
        assert opened(mallory, path).status_code == 403
        assert mallory.get(f"/gradio_api/file={answer['shown']['path']}").status_code == 403


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


def test_a_result_that_the_full_disk_has_no_room_for_is_served_to_its_owner(
    serve: Callable[..., Live], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = serve()
    session = uuid.uuid4().hex
    with studio.browser(origin=studio.url) as owner, studio.browser() as mallory:
        greet(owner)
        greet(mallory)
        sent = upload(owner, picture(tmp_path))
        full.fill(monkeypatch, studio.data, Path(get_upload_folder()) / "scratch")
        assert join(owner, given(sent), session).status_code == 200
        messages = told(owner, session)
        assert messages[-1]["success"], messages[-1]
        path = messages[-1]["output"]["data"][0]["images"][0]["path"]
        assert Path(path).parts[: len(TEMPORARY.parts)] == TEMPORARY.parts
        assert owner.get(f"/gradio_api/file={path}").headers["content-type"] == "image/png"
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


def test_without_a_login_nothing_is_open(locked: Live) -> None:
    with locked.browser() as client:
        answer = client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        for path in ("/config", "/theme.css", "/assets/x.js", "/gradio_api/info", "/favicon.ico"):
            assert client.get(path).status_code == 401
        for path in ("queue/join", "upload", "cancel", "run/predict", "component_server"):
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
        assert "Log out" in client.get("/logout").text
        assert client.get("/config").status_code == 200, "to look at the page changes nothing"
        ticket = client.headers["cookie"] = "; ".join(f"{k}={v}" for k, v in client.cookies.items())
        gone = client.post("/logout")
        assert (gone.status_code, gone.headers["location"]) == (303, "/")
        assert not client.cookies and client.headers["cookie"] == ticket
        assert client.get("/config").status_code == 401, "the old ticket opens nothing"


def test_logging_out_ends_the_streams_of_that_browser_alone(
    serve: Callable[..., Live], tmp_path: Path
) -> None:
    studio = serve(login=("ada", "day"))
    content = picture(tmp_path)
    with ExitStack() as stack:

        def logged_in() -> httpx.Client:
            client = stack.enter_context(studio.browser(origin=studio.url))
            client.post("/login", data={"username": "ada", "password": "day"})
            return client

        def heard(client: httpx.Client, path: str) -> Iterator[str]:
            stream = stack.enter_context(client.stream("GET", f"/gradio_api/{path}", timeout=20))
            lines = (line for line in stream.iter_lines() if line.startswith("data:"))
            stack.callback(lines.close)
            return lines

        def watched(client: httpx.Client, session: str) -> Iterator[str]:
            functions = client.get("/config").json()["dependencies"]
            paint = next(each["id"] for each in functions if each["api_name"] == "paint")
            sent = given(upload(client, content))
            assert join(client, sent, session, "long", paint).status_code == 200
            return heard(client, f"queue/data?session_hash={session}")

        ada, elsewhere = logged_in(), logged_in()
        ended = [watched(ada, "ada"), heard(ada, "heartbeat/ada")]
        lives = watched(elsewhere, "else")
        for each in (*ended, lives):
            next(each)
        ada.post("/logout")
        for each in ended:
            for _ in each:  # what was on its way already; then its end, which is no error
                pass
        for _ in range(3):
            next(lives)


@pytest.mark.parametrize("name", ["live", "locked"])
def test_logging_out_without_a_login_changes_nothing(
    name: str, request: pytest.FixtureRequest
) -> None:
    studio: Live = request.getfixturevalue(name)
    with studio.browser(origin=studio.url) as client:
        if name == "live":
            greet(client)
        before = dict(client.cookies)
        for answer in (client.get("/logout"), client.post("/logout"), client.head("/logout")):
            assert answer.status_code in (200, 303, 401, 405)
            assert "set-cookie" not in answer.headers
        assert dict(client.cookies) == before


def test_another_site_cannot_log_anybody_out(locked: Live) -> None:
    navigation = {"sec-fetch-mode": "navigate"}
    foreign = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", **navigation},
        {"sec-fetch-site": "same-site", **navigation},
    ]
    with locked.browser(accept="text/html", origin=locked.url) as client:
        client.post("/login", data={"username": "ada", "password": "day"})
        for headers in foreign:
            for method in ("POST", "GET"):
                answer = client.request(method, "/logout", headers=headers)
                assert "set-cookie" not in answer.headers
                assert answer.status_code == 403 or method == "GET"
        assert client.get("/config").status_code == 200


def test_another_site_cannot_log_anybody_in(locked: Live) -> None:
    with locked.browser(origin="https://evil.example") as client:
        answer = client.post("/login", data={"username": "ada", "password": "day"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_a_proxy_by_the_name_that_was_given_is_answered(serve: Callable[..., Live]) -> None:
    named = serve(name="studio.example.org", login=("ada", "day"))
    proxied = {"host": "studio.example.org", "x-forwarded-proto": "https"}
    with named.browser(**proxied, origin="https://studio.example.org") as client:
        right = client.post("/login", data={"username": "ada", "password": "day"})
        assert right.status_code == 200 and "; Secure" in right.headers["set-cookie"]
        client.headers["cookie"] = right.headers["set-cookie"].partition(";")[0]
        assert client.get("/config").json()["root"] == "https://studio.example.org"
    with named.browser(host="studio.example.org", origin="https://evil.example") as client:
        assert client.post("/login", data={}).status_code == 403
    with named.browser(host="other.example.org") as client:
        assert client.get("/login").status_code == 421


def begin(stack: ExitStack, studio: Live, content: bytes, session: str, cookie: bool) -> bool:
    """Run something long, and stay to watch; whether it found a place."""
    client = stack.enter_context(studio.browser(origin=studio.url))
    if cookie:
        greet(client)
    files = {"files": ("a.png", content)}
    sent = client.post(f"/gradio_api/upload?upload_id={session}", files=files)
    assert join(client, given(sent.json()[0]), session, words="long").status_code == 200
    assert bool(client.cookies) is cookie
    query = {"session_hash": session}
    stream = stack.enter_context(client.stream("GET", "/gradio_api/queue/data", params=query))
    said = (each for each in stream.iter_lines() if re.search("process_(generating|comp)", each))
    stack.callback(said.close)  # and with it the stream
    return "process_generating" in next(said)


def test_visitors_without_a_cookie_share_one_allowance(
    serve: Callable[..., Live], tmp_path: Path
) -> None:
    content = picture(tmp_path)
    studio = serve()
    with ExitStack() as stack:
        found = [begin(stack, studio, content, f"flood-{n}", False) for n in range(40)]
        assert found == [True] * 4 + [False] * 36
        assert begin(stack, studio, content, "person", True)


def test_a_public_address_answers_to_addresses_and_its_own_name(
    serve: Callable[..., Live],
) -> None:
    public = serve(host="0.0.0.0", login=("ada", "day"))
    with public.browser() as client:
        assert client.get("/login", headers={"host": "192.168.1.7:7860"}).status_code == 200
        assert client.get("/login", headers={"host": "evil.example"}).status_code == 421
