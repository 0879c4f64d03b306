"""Who is asking: a name that outlives a reload, and that nobody else can take.

Without a login, a browser is known by a random cookie, and a program that keeps no cookies by the
session it names. With a login, everybody is known by the user's name, and the cookie is a signed
ticket. What the rest of the studio sees is the visitor's id, from which no cookie can be made.
"""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from studio.settings import Settings

TICKET_AGE: Final = 30 * 24 * 3600  # seconds for which a login holds
COOKIE_AGE: Final = 400 * 24 * 3600  # the most that browsers keep
TRIES: Final = 5  # logins per minute and address
TOKEN: Final = 22  # characters of `secrets.token_urlsafe(16)`


class Visitors:
    """Reads and writes the studio's one cookie. `secret` signs the tickets of a login."""

    def __init__(
        self, settings: Settings, secret: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        self._login = settings.login
        self._clock = clock
        self._tries: dict[str, deque[float]] = {}
        # Cookies are shared by all ports of a host, so the port is part of the name.
        self.cookie = f"pentimento-{settings.port}"
        password = ":".join(settings.login) if settings.login else ""
        self._key = hashlib.sha256(secret + password.encode()).digest()

    @property
    def needs_login(self) -> bool:
        return self._login is not None

    def of(self, headers: Mapping[str, str], session: str = "") -> str | None:
        """The id of who sent these headers, or None for somebody who is not known yet."""
        token = _cookie(headers.get("cookie", ""), self.cookie)
        if self._login is not None:
            return self._user(token)
        if len(token) == TOKEN and token.isascii():
            return "visitor-" + _digest(token)
        return "session-" + _digest(session) if session else None

    def greet(self) -> tuple[str, str]:
        """A new visitor's id, and the cookie that makes the browser that visitor."""
        token = secrets.token_urlsafe(16)
        return "visitor-" + _digest(token), self._set_cookie(token, COOKIE_AGE)

    def log_in(self, user: str, password: str, address: str) -> str | None:
        """The cookie of a right login, else None. PermissionError after too many tries."""
        assert self._login is not None
        now = self._clock()
        for each, times in list(self._tries.items()):
            while times and now - times[0] > 60:
                times.popleft()
            if not times:
                del self._tries[each]
        tries = self._tries.setdefault(address, deque())
        if len(tries) >= TRIES:
            raise PermissionError("Too many tries. Wait a minute, then try again.")
        tries.append(now)
        right = [
            hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
            for given, known in zip((user, password), self._login, strict=True)
        ]
        if not all(right):
            return None
        until = int(now) + TICKET_AGE
        return self._set_cookie(f"{until}.{self._sign(until)}", TICKET_AGE)

    def log_out(self) -> str:
        return self._set_cookie("", 0)

    def _user(self, ticket: str) -> str | None:
        until, _, signature = ticket.partition(".")
        if self._login is None or not (until.isascii() and until.isdecimal() and len(until) < 16):
            return None
        right = hmac.compare_digest(signature.encode(), self._sign(int(until)).encode())
        return self._login[0] if right and int(until) > self._clock() else None

    def _sign(self, until: int) -> str:
        return hmac.new(self._key, str(until).encode(), "sha256").hexdigest()

    def _set_cookie(self, value: str, age: int) -> str:
        return f"{self.cookie}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _cookie(header: str, name: str) -> str:
    """By hand: the standard parser gives up at the first cookie of a neighbour that it dislikes."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for key, _, value in pairs if key == name), "")
