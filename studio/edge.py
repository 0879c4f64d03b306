"""The guard around the whole application: what may come in, from where, and on whose behalf.

Gradio answers any origin, trusts session hashes that the page makes up, and has routes that the
studio does not need. Here only the routes that the page and `gradio_client` use are open; writes
come from the page itself or from a program, never from another site; and a session, event or file
works for the visitor it belongs to (see `ledger`). Pure ASGI, so that streams stay streams.
"""

import html
import json
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qs

from studio.ledger import Ledger
from studio.settings import Settings
from studio.visitors import Visitors

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

VISITOR: Final = "pentimento.visitor"  # where the visitor's id stands in the scope
API: Final = "/gradio_api/"
MAX_JSON: Final = 5 * 2**20  # bytes
MAX_UPLOAD: Final = 64 * 2**20  # bytes of one request, several files together

PAGES: Final = frozenset({"/", "/login", "/logout"})
FILES: Final = frozenset({"/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"})
FOLDERS: Final = ("/assets/", "/static/", "/svelte/")
READS: Final = frozenset(
    {"queue/data", "upload_progress", "theme.css", "startup-events", "info", "app_id", "heartbeat"}
)
WRITES: Final = frozenset({"queue/join", "run", "cancel", "reset", "upload"})
TELLING: Final = frozenset({"/", "/config", "queue/join", "queue/data", "run", "upload"})

PAGE_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
FILE_POLICY: Final = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::\d+)?")
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as far as the guard looks at it."""

    method: str
    path: str
    route: str  # what the rules call it: a path, or what follows /gradio_api/
    headers: dict[str, str]
    query: dict[str, list[str]]

    @classmethod
    def of(cls, scope: Scope) -> "Asked":
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        path: str = scope["path"]
        return cls(scope["method"], path, _route(path), headers, query)

    @property
    def reads(self) -> bool:
        return self.method in ("GET", "HEAD")

    @property
    def foreign(self) -> bool:
        """Whether another site made the browser ask. Other ports of localhost are other sites."""
        return self.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _route(path: str) -> str:
    if not path.startswith(API):
        return path
    parts = path[len(API) :].rstrip("/").split("/")
    if parts[0].startswith("file="):
        return "file="
    if parts[0] in ("heartbeat", "run") and len(parts) == 2:
        return parts[0]
    return "/".join(parts)


class Edge:
    def __init__(self, app: App, settings: Settings, visitors: Visitors, ledger: Ledger) -> None:
        self._app = app
        self._visitors = visitors
        self._ledger = ledger
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
                return await _answer(send, 200, _again(scope), asked)
            body, receive = await self._body(asked, receive)
            await self._admit(scope, asked, body, receive, send)
        except Refused as refused:
            content = json.dumps({"detail": str(refused)}).encode()
            await _answer(send, refused.status, content, asked, kind="application/json")

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
            raise Refused(404, "There is nothing here.")

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
        return asked.reads and (known or asked.route.startswith(FOLDERS))

    async def _body(self, asked: Asked, receive: Receive) -> tuple[Any, Receive]:
        """The JSON of a write, and a `receive` that delivers it once more."""
        if asked.reads:
            return None, receive
        length = asked.headers.get("content-length", "")
        if asked.route == "upload":
            if not length.isdecimal():
                raise Refused(411, "Say how long the upload is.")
            if int(length) > MAX_UPLOAD:
                raise Refused(413, f"That is more than {MAX_UPLOAD // 2**20} MB at once.")
            return None, receive
        content, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The request ended too early.")
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if len(content) > MAX_JSON:
                raise Refused(413, "That message is too long.")
        first = [{"type": "http.request", "body": content, "more_body": False}]

        async def again() -> Message:
            return first.pop() if first else await receive()

        if asked.route not in WRITES:
            return None, again
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise Refused(400, "That message cannot be read.")
        return told, again

    async def _admit(
        self, scope: Scope, asked: Asked, body: Any, receive: Receive, send: Send
    ) -> None:
        """Find out who asks, check that all that is named is theirs, and let them through."""
        sessions, events = _named(asked, body)
        visitor = self._visitors.of(asked.headers, sessions[0] if sessions else "")
        cookie = ""
        if visitor is None and self._visitors.needs_login:
            if asked.path == "/" and asked.method == "GET":
                return await _answer(send, 303, b"", asked, {"location": "/login"})
            if asked.path != "/login":
                raise Refused(401, "Log in first.")
        elif visitor is None:
            visitor, cookie = self._visitors.greet()
        if visitor is not None:
            self._check_names(asked, body, visitor, sessions, events)
        telling = asked.route in TELLING
        headers = scope["headers"]
        if telling:  # what is read on the way out must not be packed
            headers = [pair for pair in headers if pair[0].lower() != b"accept-encoding"]
        extra = {"set-cookie": cookie} if cookie else {}
        sender = self._sender(send, asked, visitor if telling else None, extra)
        await self._app({**scope, "headers": headers, VISITOR: visitor}, receive, sender)

    def _check_names(
        self, asked: Asked, body: Any, visitor: str, sessions: list[str], events: list[str]
    ) -> None:
        allowed = all(self._ledger.claim(name, visitor) for name in sessions)
        allowed &= all(self._ledger.owns(name, visitor) for name in events)
        if asked.route == "file=":
            path = asked.path[len(API + "file=") :]
            allowed &= self._ledger.may_read(path, visitor)
        if body is not None:
            allowed &= self._ledger.may_name(body, visitor)
        if not allowed:
            raise Refused(403, "That belongs to somebody else. Reload the page and try again.")

    def _sender(self, send: Send, asked: Asked, visitor: str | None, extra: dict[str, str]) -> Send:
        """Adds our headers, and lets the ledger read what is told to the visitor."""
        tail = b""

        async def sender(message: Message) -> None:
            nonlocal tail
            if message["type"] == "http.response.start":
                message = _with_headers(message, asked, extra)
            elif message["type"] == "http.response.body" and visitor is not None:
                text = tail + message.get("body", b"")
                self._ledger.told(visitor, text, uploaded=asked.route == "upload")
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
    sessions = [*asked.query.get("session_hash", []), *asked.query.get("upload_id", [])]
    events = list(asked.query.get("event_id", []))
    if asked.route == "heartbeat":
        sessions.append(asked.path.rstrip("/").rpartition("/")[2])
    if isinstance(body, dict):
        told: dict[str, Any] = body
        sessions += [told["session_hash"]] if told.get("session_hash") is not None else []
        events += [told["event_id"]] if told.get("event_id") is not None else []
    if not all(isinstance(name, str) and 0 < len(name) <= 200 for name in (*sessions, *events)):
        raise Refused(400, "That message cannot be read.")
    return sessions, events


def _with_headers(message: Message, asked: Asked, extra: dict[str, str]) -> Message:
    policy = FILE_POLICY if asked.route == "file=" else PAGE_POLICY
    ours = {**HEADERS, "content-security-policy": policy, **extra}
    if asked.path in PAGES or asked.route == "file=":
        ours["cache-control"] = "private, max-age=3600" if asked.route == "file=" else "no-store"
    kept = [pair for pair in message.get("headers", []) if pair[0].decode().lower() not in ours]
    added = [(name.encode(), value.encode("latin-1")) for name, value in ours.items()]
    return {**message, "headers": [*kept, *added]}


async def _answer(
    send: Send,
    status: int,
    content: bytes,
    asked: Asked,
    headers: dict[str, str] | None = None,
    kind: str = "text/html; charset=utf-8",
) -> None:
    start = {"type": "http.response.start", "status": status, "headers": []}
    extra = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    await send(_with_headers(start, asked, extra))
    await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else content})


def _again(scope: Scope) -> bytes:
    """A page that asks for itself once more.

    After a click on another site the browser keeps our strict cookie back; asked by our own page it
    sends it, so that nobody becomes a new visitor, or has to log in again, by following a link.
    """
    query = scope["query_string"].decode("latin-1")
    target = html.escape(scope["path"] + ("?" + query if query else ""), quote=True)
    return f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">'.encode("latin-1")
