"""The page's scripts and styles: served once for all, and named in the document before Gradio's.

They are ES modules and style sheets as they lie in `assets/`, without a build step. Their address
holds a hash of all their contents, `assets/<hash>/page/main.js`, so a browser may keep them for
good and never runs those of another version; what they import is found beside them. They are read
when the studio starts: a file that changes while it runs changes nothing before the next start.

Gradio puts what it is given for the head into the page only after its own scripts have begun. Ours
have to be there before its first request and its first component, so they are written into the
document itself, and then run first, since modules run in the order of the document.
"""

import hashlib
import json
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.document import document

FOLDER: Final = Path(__file__).resolve().parent.parent / "assets"
ROOMS: Final = ("canvas", "page")
MAIN: Final = "page/main.js"  # imports all the others
KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOREVER: Final = "private, max-age=31536000, immutable"


def _read() -> dict[str, bytes]:
    """Everything that is served, by its path in `assets/`."""
    files = sorted(file for room in ROOMS for file in (FOLDER / room).iterdir())
    return {
        file.relative_to(FOLDER).as_posix(): file.read_bytes()
        for file in files
        if file.suffix in KINDS
    }


def _version(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


FILES: Final = _read()
VERSION: Final = _version(FILES)
BASE: Final = f"/assets/{VERSION}/"  # below wherever the page is


def _head() -> str:
    at = f".{BASE}"
    scripts = [name for name in FILES if name.endswith(".js") and name != MAIN]
    styles = [name for name in FILES if name.endswith(".css")]
    preloads = "".join(f'<link rel="modulepreload" href="{at}{name}">' for name in scripts)
    return (
        '<meta name="color-scheme" content="light dark">'
        '<meta name="description"'
        ' content="Edit pictures with diffusion models, on your own machine.">'
        f'<link rel="icon" href="{at}page/mark.svg">'
        + "".join(f'<link rel="stylesheet" href="{at}{name}">' for name in sorted(styles))
        + f'<script type="importmap">{json.dumps({"imports": {"pentimento/": at}})}</script>'
        + preloads
        + f'<script type="module" src="{at}{MAIN}"></script>'
    )


HEAD: Final = _head()


class Assets:
    """Serves them in front of `app`, and names them in its page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        _, ours, name = scope["path"].rpartition(BASE)
        if ours:
            return await _serve(name, scope["method"], send)
        await self._app(scope, receive, _introducing(send))


async def _serve(name: str, method: str, send: Send) -> None:
    content = FILES.get(name)
    kind = KINDS[Path(name).suffix] if content is not None else "text/plain"
    body = b"There is nothing here." if content is None else content
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store" if content is None else FOREVER.encode()),
    ]
    status = 404 if content is None else 200
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _introducing(send: Send) -> Send:
    """Names them in Gradio's page as it passes; everything else passes as it is."""
    held: Message | None = None
    page = b""

    async def sender(message: Message) -> None:
        nonlocal held, page
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message["headers"] if name == b"content-type"]
            if any(kind.startswith(b"text/html") for kind in kinds):
                held = message
                return
        elif held is not None:
            page += message.get("body", b"")
            if message.get("more_body"):
                return
            body = document(page, HEAD.encode())
            length = (b"content-length", str(len(body)).encode())
            rest = [pair for pair in held["headers"] if pair[0] != b"content-length"]
            await send({**held, "headers": [*rest, length]})
            held, message = None, {**message, "body": body}
        await send(message)

    return sender


def mounted(name: str, about: object = None, events: tuple[str, ...] = ()) -> str:
    """A `js_on_load` by which `name` of assets/page/main.js draws the component, at once.

    What it is to know for good stands in the script: a component's own properties are lost in
    Gradio 6.31 where anything is written to it (`gr.skip()` is enough) before the tab that it is in
    was opened. So do the events that it can fire: Gradio finds them by their names in the script.
    """
    given = [json.dumps(each, separators=(",", ":")) for each in (name, about, events)]
    detail = f"[element,{{props,upload,watch,trigger,server}},{','.join(given)}]"
    return f'document.dispatchEvent(new CustomEvent("pentimento:mount",{{detail:{detail}}}))'


def called(module: str, function: str, given: str) -> str:
    """A click's script: `function` of a module of `assets/`, with the arguments as written."""
    return f'(await import("pentimento/{module}.js")).{function}({given})'
