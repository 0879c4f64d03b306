"""What every answer carries, and the answers that the guard gives itself."""

import html
import json
from typing import Final

from studio.access.asgi import Asked, Message, Scope, Send

PAGES: Final = frozenset({"/", "/login", "/logout"})
PAGE_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
FILE_POLICY: Final = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def with_headers(message: Message, asked: Asked, extra: dict[str, str]) -> Message:
    policy = FILE_POLICY if asked.route == "file=" else PAGE_POLICY
    ours = {**HEADERS, "content-security-policy": policy, **extra}
    if asked.path in PAGES or asked.route == "file=":
        ours["cache-control"] = "private, max-age=3600" if asked.route == "file=" else "no-store"
    kept = [pair for pair in message.get("headers", []) if pair[0].decode().lower() not in ours]
    added = [(name.encode(), value.encode("latin-1")) for name, value in ours.items()]
    return {**message, "headers": [*kept, *added]}


async def answer(
    send: Send,
    status: int,
    content: bytes,
    asked: Asked,
    headers: dict[str, str] | None = None,
    kind: str = "text/html; charset=utf-8",
) -> None:
    start = {"type": "http.response.start", "status": status, "headers": []}
    extra = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    await send(with_headers(start, asked, extra))
    await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else content})


def again(scope: Scope) -> bytes:
    """A page that asks for itself once more.

    After a click on another site the browser keeps our strict cookie back; asked by our own page it
    sends it, so that nobody becomes a new visitor, or has to log in again, by following a link.
    """
    query = scope["query_string"].decode("latin-1")
    target = html.escape(scope["path"] + ("?" + query if query else ""), quote=True)
    return f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">'.encode("latin-1")


def status_of(status: int, message: Message) -> int:
    """What a refusal is sent with: Gradio says 500 for those that are sentences for a person."""
    try:
        told = json.loads(message.get("body", b""))
        sentence = status == 422 or isinstance(told["error"], str)
    except (ValueError, TypeError, LookupError):
        sentence = False
    return 400 if sentence else status
