"""The guard around the whole application: what may come in, from where, and on whose behalf.

Gradio answers any origin, trusts session hashes that the page makes up, and has routes that the
studio does not need. Here only the routes that the page and `gradio_client` use are open; writes
come from the page itself or from a program, never from another site; and a session, event or file
works for the visitor it belongs to (see `ownership`). Pure ASGI, so that streams stay streams.
"""

import asyncio
import json
import logging
import os
import re
import socket
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from pipelines.pictures import MAX_BYTES
from studio.access import bodies, calls, streams
from studio.access.answers import PAGES, again, answer, status_of, with_headers
from studio.access.asgi import API, Asked, Message, Receive, Refused, Scope, Send
from studio.access.ownership import Ownership
from studio.access.uploads import Uploads
from studio.access.visitors import Visitors, over_tls
from studio.settings import Settings
from studio.shares import Bounds, Share, Tally

log = logging.getLogger(__name__)

VISITOR: Final = "pentimento.visitor"  # where the visitor's id stands in the scope
MAX_JSON: Final = 2**20  # bytes
MAX_UPLOAD: Final = MAX_BYTES + 4 * 2**20  # bytes of one request, several files together
OPEN: Final = Bounds(each=96, newcomers=600, total=720)  # requests at once, streams among them
MAX_PARTS: Final = 16  # of an upload; the page and gradio_client send one file in each
EVENTS: Final = Bounds(each=48, newcomers=150, total=180)  # watchers of edits above all

FILES: Final = frozenset({"/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"})
FOLDERS: Final = ("/assets/", "/static/", "/svelte/")
LONGEST: Final = 200  # bytes of a path in these; a file system fails at 255 a name
READS: Final = frozenset(
    {"queue/data", "upload_progress", "theme.css", "startup-events", "info", "app_id", "heartbeat"}
)
WRITES: Final = frozenset({"queue/join", "run", "component_server", "cancel", "reset", "upload"})
STREAMS: Final = frozenset({"queue/data", "upload_progress", "heartbeat"})
NAMING: Final = WRITES | STREAMS  # where sessions matter
MOST_NAMES: Final = 4  # sessions and events in one request; the page names two at most
TELLING: Final = frozenset(
    {"/", "/config", "queue/join", "queue/data", "run", "component_server", "upload"}
)

NOTHING: Final = "There is nothing here."
UNREADABLE_UPLOAD: Final = "That upload cannot be read."
TOO_MANY: Final = "An upload may hold {} files at most. Send the others after it."
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::\d+)?")
_FORM: Final = re.compile(r"multipart/form-data\s*;.*\bboundary=", re.IGNORECASE)
_NAME: Final = re.compile("[!-~]{1,200}")
_RANGE: Final = re.compile(rb"bytes=[0-9]{1,15}-[0-9]{1,15}")  # of others Gradio makes an error


class Served(Protocol):
    """What is guarded."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def check(self, route: str, message: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """ValueError with a sentence for a call that the page cannot have made.

        LookupError where it may not go past the queue.
        """
        ...

    def watching(self) -> Iterable[str]:
        """The visitor of each event that is on its way."""
        ...


class Guard:
    def __init__(
        self,
        app: Served,
        settings: Settings,
        visitors: Visitors,
        ownership: Ownership,
        uploads: Uploads,
    ) -> None:
        self._app = app
        self._visitors = visitors
        self._ownership = ownership
        self._uploads = uploads
        self._open = Tally(OPEN)
        self._names = host_names(settings)
        self._any_address = not settings.local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        asked = Asked.of(scope)
        try:
            self._check_source(asked)
            if asked.foreign:
                return await answer(send, 200, again(scope), asked)
            known = self._visitors.of(asked.headers)
            if known is None and self._visitors.needs_login and asked.path != "/login":
                if asked.path != "/" or asked.method != "GET":
                    raise Refused(401, "Log in first.")
                return await answer(send, 303, b"", asked, {"location": "/login"})
            with self._opened(self._visitors.share(known or "")):
                body, receive = await self._body(asked, receive)
                await self._admit(scope, asked, body, receive, send)
        except Refused as refused:
            sentence = str(refused)  # under the names that programs and the page look for it
            content = json.dumps({"detail": sentence, "error": sentence}).encode()
            await answer(send, refused.status, content, asked, kind="application/json")

    @contextmanager
    def _opened(self, share: Share) -> Generator[None]:
        if not self._open.room(share):
            raise Refused(429, "Too much of the studio is open at once. Close some pages of it.")
        self._open.add(share)
        try:
            yield
        finally:
            self._open.add(share, -1)

    def _check_source(self, asked: Asked) -> None:
        host = asked.headers.get("host", "")
        if not self._is_us(host):
            raise Refused(421, "The studio does not answer to that name.")
        if asked.foreign and not (
            asked.method == "GET"
            and asked.path in PAGES
            and asked.headers.get("sec-fetch-mode") == "navigate"
        ):
            raise Refused(403, "Another site asked for this.")
        origin = asked.headers.get("origin")
        if not asked.reads and origin not in (None, f"http://{host}", f"https://{host}"):
            raise Refused(403, "Another site asked for this.")
        if not self._is_open(asked):
            raise Refused(404, NOTHING)

    def _is_us(self, host: str) -> bool:
        """Only names that no stranger's name server can point at this machine."""
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name = found[1] or found[2]
        if name in self._names:
            return True
        try:
            return self._any_address and bool(ip_address(name))
        except ValueError:
            return False

    @staticmethod
    def _is_open(asked: Asked) -> bool:
        if asked.route in WRITES or (asked.path in ("/login", "/logout") and not asked.reads):
            return asked.method == "POST"
        known = asked.route in PAGES | FILES | READS or asked.route == "file="
        served = asked.route.startswith(FOLDERS) and len(os.fsencode(asked.path)) <= LONGEST
        return asked.reads and (known or served)

    async def _body(self, asked: Asked, receive: Receive) -> tuple[Any, Receive]:
        """The JSON of a write, and a `receive` that delivers it once more."""
        if asked.reads:
            return None, receive
        if asked.route == "upload":
            self._check_upload(asked)
            return None, receive
        content = await bodies.read(receive, MAX_JSON)
        delivered = bodies.again(content, receive)
        if asked.route not in WRITES:
            return None, delivered
        try:
            return calls.parse(content), delivered
        except ValueError as refusal:
            raise Refused(400, str(refusal)) from None

    @staticmethod
    def _check_upload(asked: Asked) -> None:
        length = asked.headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 16):
            raise Refused(411, "Say how long the upload is.")
        if int(length) > MAX_UPLOAD:
            raise Refused(413, f"That is more than {MAX_UPLOAD // 2**20} MB at once.")
        if not _FORM.match(asked.headers.get("content-type", "")):
            raise Refused(400, UNREADABLE_UPLOAD)

    async def _admit(
        self, scope: Scope, asked: Asked, body: Any, receive: Receive, send: Send
    ) -> None:
        """Find out who asks, check that all that is named is theirs, and let them through."""
        sessions, events = _named(asked, body)
        visitor = self._visitors.of(asked.headers, sessions[0] if sessions else "")
        secure = over_tls(scope)
        cookie = self._visitors.renewed(asked.headers, secure)
        if visitor is None and not self._visitors.needs_login:
            visitor, cookie = self._visitors.greet(secure)
        if visitor is not None:
            self._check_names(asked, body, visitor, sessions, events)
            self._check_call(asked, body, visitor)
        telling = asked.route in TELLING
        headers = [pair for pair in scope["headers"] if _is_heard(pair)]
        if telling:  # what is read on the way out must not be packed
            headers = [pair for pair in headers if pair[0].lower() != b"accept-encoding"]
        extra = {"set-cookie": cookie} if cookie else {}
        sender = self._sender(send, asked, visitor if telling else None, extra)
        scope = {**scope, "headers": headers, VISITOR: visitor}
        if asked.route in STREAMS:
            ended = self._visitors.logged_out(asked.headers)
            return await streams.until(ended, self._app, scope, receive, sender)
        if asked.route != "upload" or visitor is None:
            return await self._app(scope, receive, sender)
        await self._take_in(scope, asked, visitor, receive, sender)

    async def _take_in(
        self, scope: Scope, asked: Asked, visitor: str, receive: Receive, send: Send
    ) -> None:
        """An upload, from its first byte to its place on the disk."""
        length = int(asked.headers["content-length"])
        told: list[Message] = []
        failed: set[int] = set()

        async def sender(message: Message) -> None:
            told.append(message)
            if (status := message.get("status", 200)) >= 400:
                failed.add(status)

        async with self._uploads.reserved(visitor, length):
            with await bodies.spool(receive, length, self._uploads.folder) as file:
                kind = asked.headers["content-type"]
                if await asyncio.to_thread(bodies.parts, file, kind) > MAX_PARTS:
                    raise Refused(413, TOO_MANY.format(MAX_PARTS))
                async with self._uploads.writing:  # what Gradio leaves lying is this upload's
                    try:
                        await self._app(scope, bodies.replay(file, length, receive), sender)
                    except OSError:
                        raise
                    except Exception as error:  # a form can be broken in ways unknown to Gradio
                        log.warning("An upload cannot be read (%s)", error)
                        failed.add(400)
                    finally:
                        await asyncio.to_thread(self._uploads.clear)
                    said = b"".join(each.get("body", b"") for each in told)
                    if 413 in failed and said.startswith(b"File size"):  # nor a head's
                        raise Refused(413, f"A file may have at most {MAX_BYTES // 2**20} MB.")
                    if failed or said == b"[]":
                        raise Refused(400, UNREADABLE_UPLOAD)
                    self._uploads.stored(visitor, said)
        for message in told:
            await send(message)

    def _check_call(self, asked: Asked, body: Any, visitor: str) -> None:
        if body is None:
            return
        try:
            self._app.check(asked.route, body, asked.headers)
        except LookupError:
            raise Refused(404, NOTHING) from None
        except ValueError as refusal:
            raise Refused(400, str(refusal)) from None
        if asked.route == "queue/join":
            held = Tally(EVENTS, map(self._visitors.share, self._app.watching()))
            if not held.room(self._visitors.share(visitor)):
                raise Refused(429, "Too many edits are watched from here. Close some pages first.")

    def _check_names(
        self, asked: Asked, body: Any, visitor: str, sessions: list[str], events: list[str]
    ) -> None:
        try:
            allowed = all(self._ownership.claim(name, visitor) for name in sessions)
        except PermissionError as refusal:
            raise Refused(429, str(refusal)) from None
        allowed &= all(self._ownership.owns(name, visitor) for name in events)
        if asked.route == "file=":
            path = asked.path[len(API + "file=") :]
            allowed &= self._ownership.may_read(path, visitor)
        if body is not None:
            allowed &= self._ownership.may_name(body, visitor)
        if not allowed:
            raise Refused(403, "That belongs to somebody else. Reload the page and try again.")
        for path in self._ownership.named(body):
            self._uploads.used(Path(path))

    def _sender(self, send: Send, asked: Asked, visitor: str | None, extra: dict[str, str]) -> Send:
        """Adds our headers, and lets the ownership read what is told to the visitor."""
        tail = b""
        held: Message | None = None

        async def sender(message: Message) -> None:
            nonlocal tail, held
            if message["type"] == "http.response.start":
                message = with_headers(message, asked, extra)
                if asked.route in NAMING and message["status"] in (422, 500):
                    held = message
                    return
            elif held is not None:
                held, start = None, {**held, "status": status_of(held["status"], message)}
                await send(start)
            if message["type"] == "http.response.body" and visitor is not None:
                text = tail + message.get("body", b"")
                self._ownership.told(visitor, text, uploaded=asked.route == "upload")
                tail = text[-8192:]  # a name may be cut in two
            await send(message)

        return sender


def host_names(settings: Settings) -> frozenset[str]:
    """The names this machine goes by, and that of a proxy in front of it."""
    names = {settings.host.lower(), "localhost", "127.0.0.1", "::1"}
    names |= {settings.name} - {""}
    if not settings.local:
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local", socket.getfqdn().lower()}
    return frozenset(names)


def _named(asked: Asked, body: Any) -> tuple[list[str], list[str]]:
    """All sessions and events that a request names, wherever and however often it does."""
    if asked.route not in NAMING:
        return [], []
    sessions = [*asked.query.get("session_hash", []), *asked.query.get("upload_id", [])]
    events = list(asked.query.get("event_id", []))
    if asked.route == "heartbeat":
        sessions.append(asked.path.rstrip("/").rpartition("/")[2])
    if isinstance(body, dict):
        told: dict[str, Any] = body
        sessions += [told["session_hash"]] if told.get("session_hash") is not None else []
        events += [told["event_id"]] if told.get("event_id") is not None else []
    names = (*sessions, *events)
    if len(names) > MOST_NAMES or not all(_is_name(name) for name in names):
        raise Refused(400, "That message cannot be read.")
    return sessions, events


def _is_heard(pair: tuple[bytes, bytes]) -> bool:
    """Whether a header goes on to Gradio; without a range a file is sent whole, as HTTP allows."""
    name, value = pair
    return name.lower() != b"range" or _RANGE.fullmatch(value.strip()) is not None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
