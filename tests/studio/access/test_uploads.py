"""Uploads end: in bytes of one visitor and of all, in time, and where the disk does."""

import asyncio
import errno
import gc
import io
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio.utils import get_upload_folder

from studio.access import bodies, uploads
from studio.access.asgi import Refused
from studio.access.uploads import Uploads
from studio.shares import STRANGERS, Bounds, Share
from tests.studio.conftest import Live
from tests.studio.requests import greet, upload

BLOCK = 65_536  # bytes that a file counts for at least


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def by_name(visitor: str) -> Share:
    return STRANGERS if visitor.startswith("s") else Share(visitor, visitor == "ada")


class Shop:
    """Uploads of a block each, by name."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.busy: set[str] = set()
        bounds = Bounds(each=5 * BLOCK, newcomers=9 * BLOCK, total=12 * BLOCK)
        busy: Callable[[Share], bool] = lambda share: share.name in self.busy  # noqa: E731
        self.uploads = Uploads(folder, by_name, busy, bounds, self.clock)
        self.folder = folder

    def bring(self, visitor: str, name: str) -> Path:
        async def come() -> Path:
            async with self.uploads.reserved(visitor, BLOCK):
                path = self.folder / name
                path.write_bytes(bytes(BLOCK))
                self.uploads.stored(visitor, json.dumps([str(path)]).encode())
            return path

        return asyncio.run(come())

    def fits(self, visitor: str, name: str) -> bool:
        try:
            self.bring(visitor, name)
        except Refused as refusal:
            assert refusal.status == 507 and str(refusal).endswith(".")
            return False
        return True

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_one_visitors_uploads_are_bounded_and_the_oldest_make_room(shop: Shop) -> None:
    assert [shop.fits("eve", f"{n}") for n in range(7)] == [True] * 5 + [False] * 2, "all young"
    shop.clock.now += 61
    shop.uploads.used(shop.folder / "0")
    assert shop.fits("eve", "7") and shop.names == {"0", "2", "3", "4", "7"}
    shop.clock.now += 61
    shop.busy.add("eve")
    assert not shop.fits("eve", "8"), "an edit on its way may need them"
    shop.busy.clear()
    assert shop.fits("eve", "8") and "2" not in shop.names


def test_visitors_without_a_cookie_and_newcomers_leave_room_for_others(shop: Shop) -> None:
    assert sum(shop.fits(f"s{n}", f"s{n}") for n in range(20)) == 5
    assert sum(shop.fits(f"new {n}", f"n{n}") for n in range(20)) == 4
    assert sum(shop.fits("ada", f"a{n}") for n in range(20)) == 3
    assert sum(path.stat().st_size for path in shop.folder.iterdir()) == 12 * BLOCK
    shop.clock.now += 61
    shop.busy.add("strangers")
    assert not shop.fits("new 50", "late")
    shop.busy.clear()
    assert shop.fits("new 50", "late") and "s0" not in shop.names, "whose share was the largest"


def test_what_was_swept_or_sent_twice_is_not_counted(shop: Shop) -> None:
    for _ in range(20):
        shop.bring("eve", "same")
    for number in range(4):
        (shop.bring("eve", f"{number}")).unlink()
    assert shop.fits("eve", "a") and shop.names == {"same", "a"}


def test_an_upload_that_fails_gives_its_room_back(shop: Shop) -> None:
    async def come() -> None:
        async with shop.uploads.reserved("eve", 5 * BLOCK):
            raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(20):
        with pytest.raises(Refused) as told:
            asyncio.run(come())
        assert told.value.status == 507 and "disk is full" in str(told.value)
    assert shop.fits("eve", "a")


def test_small_files_are_few(shop: Shop) -> None:
    """Of 512 MB for each visitor and 2 GB in all, no more than 8,192 files and 32,768."""
    assert uploads.BYTES.each // uploads.LEAST <= 8192
    assert uploads.BYTES.total // uploads.LEAST <= 32_768
    for number in range(9):
        path = shop.folder / f"small {number}"
        path.write_bytes(b"x")
        shop.uploads.stored("eve", json.dumps([str(path)]).encode())
    assert not shop.fits("eve", "one more")


def test_gradios_list_of_uploads_can_grow_while_it_is_gone_through(tmp_path: Path) -> None:
    """And what has been deleted leaves it, so that it does not grow for ever."""
    there = [tmp_path / f"{number}" for number in range(3)]
    for path in there:
        path.touch()
    listed = uploads.Listed(map(str, [*there, *(tmp_path / f"gone {n}" for n in range(100))]))
    for number, _ in enumerate(listed):
        listed.add(f"added {number}")
    assert len(listed) == 6
    assert sorted(listed) == sorted(map(str, there)) and len(listed) == 3


def test_a_page_has_such_a_list(page: httpx.Client) -> None:
    path = upload(page)
    kinds = [
        type(each) for each in gc.get_objects() if issubclass(type(each), set) and path in each
    ]
    assert kinds == [uploads.Listed]


def test_a_disk_that_is_nearly_full_takes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**12, 10**12 - 10**6, 10**6)  # pyright: ignore
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert not shop.fits("ada", "a") and not shop.names


def test_room_is_made_while_the_event_loop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand old files on a disk that takes a millisecond for each."""
    shop = Shop(tmp_path)
    shop.uploads = Uploads(tmp_path, by_name, lambda _: False, clock=shop.clock)
    paths = [tmp_path / f"{number}" / "a.png" for number in range(1000)]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"x")
    shop.uploads.stored("ada", json.dumps([str(path) for path in paths]).encode())
    shop.clock.now += 61
    unlink = Path.unlink

    def slow(path: Path) -> None:
        time.sleep(0.001)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", slow)
    turns: list[float] = []

    async def come() -> None:
        async with shop.uploads.reserved("ada", uploads.BYTES.each):
            pass

    async def scene() -> None:
        coming = asyncio.create_task(come())
        while not coming.done():
            turns.append(time.monotonic())
            await asyncio.sleep(0.002)
        await coming

    asyncio.run(scene())
    assert not any(path.parent.exists() for path in paths)
    assert len(turns) > 20, "the loop stood while they were deleted"


# -- over HTTP


@pytest.fixture
def page(live: Live) -> Iterator[httpx.Client]:
    with live.browser(origin=live.url) as client:
        greet(client)
        yield client


def head(page: httpx.Client, length: int, path: str = "/gradio_api/upload") -> bytes:
    host, port = page.base_url.host, page.base_url.port
    cookie = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    kind = "multipart/form-data; boundary=x"
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def answer(page: httpx.Client, content: bytes) -> bytes:
    assert page.base_url.port
    with socket.create_connection((page.base_url.host, page.base_url.port), 10) as raw:
        raw.sendall(content)
        told = b""
        while b"}" not in told:
            told += (part := raw.recv(4096))
            if not part:
                break
        return told


def lying() -> set[Path]:
    return {path for path in Path(get_upload_folder()).rglob("*") if path.is_file()}


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/login"])
def test_half_a_request_is_not_waited_for(
    page: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PAUSE", 0.3)
    before = lying()
    begun = time.monotonic()
    told = answer(page, head(page, 1000, path) + b"--x\r\n")
    assert told.startswith(b"HTTP/1.1 408") and b"Try again." in told
    assert time.monotonic() - begun < 5
    assert lying() == before


def test_drops_that_never_end_are_not_waited_for(
    page: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SHORT", 0.5)
    host, port = page.base_url.host, page.base_url.port
    with socket.create_connection((host, port or 80), 10) as raw:
        raw.sendall(head(page, 10_000, "/gradio_api/run/predict"))
        raw.settimeout(0.1)
        for _ in range(50):
            raw.sendall(b" ")
            try:
                assert raw.recv(100).startswith(b"HTTP/1.1 408")
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("it is still waiting")


def test_an_upload_that_breaks_off_leaves_nothing(page: httpx.Client) -> None:
    before = lying()
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    host, port = page.base_url.host, page.base_url.port
    with socket.create_connection((host, port or 80), 10) as raw:
        raw.sendall(head(page, 3_000_000) + part + bytes(2_500_000))
        time.sleep(0.3)
    time.sleep(0.5)
    assert lying() == before


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--y\r\nA: b\r\n\r\nc\r\n--y--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\nA: b\r\n\r\nc\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nc\r\n--x--\r\n", "multipart/form-data; boundary=x; charset=klingon"),
        (b"c", "multipart/form-data"),
        (b"c", "multipart/form-data; boundary="),
        (b"c", "text/plain"),
        (b"c", ""),
        (b"{}", "application/json"),
    ],
)
def test_forms_without_sense_are_sentences(
    page: httpx.Client, content: bytes, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = lying()
    headers = {"content-type": kind} if kind else {}
    told = page.post("/gradio_api/upload", content=content, headers=headers)
    assert told.status_code == 400 and told.json()["detail"].endswith(".")
    assert "Traceback" not in capfd.readouterr().err and lying() == before


def form(count: int, boundary: str = "x", field: str = "files") -> bytes:
    head = f'Content-Disposition: form-data; name="{field}"; filename="a.png"'
    parts = [f"--{boundary}\r\n{head}\r\n\r\n{n}\r\n" for n in range(count)]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode()


@pytest.mark.parametrize("field", ["files", "others"])
@pytest.mark.parametrize("kind", ["x", '"x y"', "x; charset=utf-8"])
def test_an_upload_holds_few_files(page: httpx.Client, kind: str, field: str) -> None:
    """Each takes the disk, and the event loop with it, half a millisecond and more."""
    boundary = kind.partition(";")[0].strip('"')
    kind = f"multipart/form-data; boundary={kind}"
    before = lying()
    for count in (16, 17, 999):
        content = form(count, boundary, field)
        told = page.post("/gradio_api/upload", content=content, headers={"content-type": kind})
        if count == 16 and field == "files":
            assert told.status_code == 200 and len(told.json()) == 16
            before = lying()
        elif count > 16:
            assert told.status_code == 413 and told.json()["detail"].startswith("An upload may")
    assert lying() == before


def test_of_two_content_types_the_one_counts_that_is_read(page: httpx.Client) -> None:
    kinds = [("content-type", f"multipart/form-data; boundary={each}") for each in "xy"]
    told = page.post("/gradio_api/upload", content=form(17), headers=kinds)
    assert told.status_code == 413


@pytest.mark.parametrize("at", [0, 5, 2**20 - 2, 2**20 - 1, 2**20, 2**20 + 1])
def test_parts_are_counted_wherever_they_begin(at: int) -> None:
    file = io.BytesIO(b"a" * at + b"--bound\r\n" + b"--bound--")
    assert bodies.parts(file, 'multipart/form-data; boundary="bound"') == 1
    assert file.tell() == 0


@pytest.mark.parametrize(
    "name", ["a" * 5000 + ".png", "\0", "../../a", "", ".", "..", "a/b", "ü画"]
)
def test_odd_names_of_files_are_no_errors(
    page: httpx.Client, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told = page.post("/gradio_api/upload", files={"files": (name or "x", b"x")})
    assert told.status_code in (200, 400)
    assert "Traceback" not in capfd.readouterr().err


def test_a_disk_that_fills_up_during_an_upload_is_a_sentence(
    page: httpx.Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_given: Any, **_named: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gradio.route_utils.NamedTemporaryFile", full)
    told = page.post("/gradio_api/upload", files={"files": ("a.png", b"x")})
    assert told.status_code == 507 and told.json()["detail"] == uploads.FULL
    monkeypatch.undo()
    monkeypatch.setattr(bodies.tempfile, "TemporaryFile", full)
    told = page.post("/gradio_api/upload", files={"files": ("a.png", b"x")})
    assert told.status_code == 507 and told.json()["detail"] == uploads.FULL
    monkeypatch.undo()
    assert upload(page)
    assert "Traceback" not in capfd.readouterr().err


def test_a_body_is_read_once_and_delivered_again(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    parts = [content[n : n + 300_000] for n in range(0, len(content), 300_000)]

    async def scene() -> None:
        waiting = [
            {"type": "http.request", "body": part, "more_body": part is not parts[-1]}
            for part in parts
        ]

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        with await bodies.spool(receive, len(content), tmp_path) as file:
            deliver = bodies.replay(file, len(content), receive)
            heard, more = b"", True
            while more:
                message = await deliver()
                heard, more = heard + message["body"], message["more_body"]
            assert heard == content
            assert (await deliver())["type"] == "http.disconnect"

    asyncio.run(scene())
    assert not list(tmp_path.iterdir())
