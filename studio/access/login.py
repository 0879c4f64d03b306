"""The pages that log in and out, and the routes behind them. A program posts the same forms."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from studio.access.visitors import Visitors, over_tls

_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pentimento</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --paper: #f7f3ea; --ink: #1d1b18; --line: #8a8478;
  --accent: #b8321a; --on: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #191817; --ink: #ece7dc; --line: #8a8478; --accent: #ff8164; --on: #191817; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
form { width: min(20rem, 88vw); display: grid; gap: .75rem; }
h1 { font: 400 2rem/1.2 Georgia, serif; margin: 0 0 .5rem; }
label { display: grid; gap: .25rem; }
input, button { font: inherit; padding: .6rem .75rem; border-radius: 10px; color: inherit;
  border: 1px solid var(--line); background: transparent; }
button { background: var(--accent); border-color: transparent; color: var(--on); font-weight: 600; }
p { margin: 0; min-height: 1.5em; }
</style></head><body>
"""

_ENTER: Final = """<form method="post" action="/login">
<h1>Pentimento</h1>
<label>Name <input name="username" autocomplete="username" required autofocus></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
<p role="alert">SENTENCE</p>
</form></body></html>"""

_LEAVE: Final = """<form method="post" action="/logout">
<h1>Pentimento</h1>
<p>Edits that run go on, and are here when you log in again.</p>
<button>Log out</button>
</form></body></html>"""

WRONG: Final = "That name or password is not right."


def routes(visitors: Visitors) -> APIRouter:
    router = APIRouter()

    @router.get("/login")
    async def ask() -> Response:  # pyright: ignore[reportUnusedFunction]
        if not visitors.needs_login:
            return RedirectResponse("/", 303)
        return HTMLResponse(_HEAD + _ENTER.replace("SENTENCE", ""))

    @router.post("/login")
    async def enter(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        if not visitors.needs_login:
            return RedirectResponse("/", 303)
        form = await request.form(max_files=0, max_fields=8)
        user, password = (str(form.get(name, "")) for name in ("username", "password"))
        address = request.client.host if request.client else ""
        person = "text/html" in request.headers.get("accept", "")
        try:
            cookie = visitors.log_in(user, password, address, over_tls(request.scope))
        except PermissionError as refusal:
            return _refuse(429, str(refusal), person)
        if cookie is None:
            await asyncio.sleep(0.2)
            return _refuse(401, WRONG, person)
        answer = RedirectResponse("/", 303) if person else JSONResponse({"success": True})
        answer.headers["set-cookie"] = cookie
        return answer

    @router.get("/logout")
    async def offer() -> Response:  # pyright: ignore[reportUnusedFunction]
        if not visitors.needs_login:
            return RedirectResponse("/", 303)
        return HTMLResponse(_HEAD + _LEAVE)

    @router.post("/logout")
    async def leave(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        cookie = await visitors.log_out(request.headers, over_tls(request.scope))
        return RedirectResponse("/", 303, headers={"set-cookie": cookie} if cookie else {})

    return router


def _refuse(status: int, sentence: str, person: bool) -> Response:
    if person:
        return HTMLResponse(_HEAD + _ENTER.replace("SENTENCE", sentence), status)
    return JSONResponse({"detail": sentence}, status)
