"""Who is asking: a name that outlives a reload, and that nobody else can take.

Without a login, a browser is known by a random cookie, and a program that keeps no cookies by the
session it names. With a login, everybody is known by the user's name, and the cookie is a signed
ticket. What the rest of the studio sees is the visitor's id, from which no cookie can be made.

How much a visitor may take is a matter of their `Share`. A cookie costs nothing, so new ones have
shares of their own, but only a part of everything together; a cookie that has been in use for
`TRIAL` seconds is signed, and draws on the rest as well. Without a cookie all share one share.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from studio.access.tickets import Ended
from studio.settings import Settings
from studio.shares import STRANGERS, Share

TICKET_AGE: Final = 30 * 24 * 3600  # seconds for which a login holds
COOKIE_AGE: Final = 400 * 24 * 3600  # the most that browsers keep
TRIES: Final = 5  # logins per minute and address
TOKEN: Final = 22  # characters of `secrets.token_urlsafe(16)`
TRIAL: Final = 600.0  # seconds
NEWCOMERS: Final = 10_000  # new cookies that are remembered; the others stay new for longer
_SESSION: Final = "session-"


class Visitors:
    """Reads and writes the studio's one cookie. `secret` signs tickets and cookies.

    `clock` tells the time of day, for tickets outlive a restart; `ticks` runs on whatever the
    time of day is set to.
    """

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        ended: Ended | None = None,
    ) -> None:
        self._login = settings.login
        self._clock = clock
        self._ticks = ticks
        self._ended = ended or Ended()
        self._tries: dict[str, deque[float]] = {}
        self._known_from: dict[str, float] = {}  # visitor → when they are no newcomer any more
        self._lock = threading.Lock()
        # Cookies are shared by all ports of a host, so the port is part of the name.
        self.cookie = f"pentimento-{settings.port}"
        password = ":".join(settings.login) if settings.login else ""
        self._key = hashlib.sha256(secret + password.encode()).digest()

    @property
    def needs_login(self) -> bool:
        return self._login is not None

    def of(self, headers: Mapping[str, str], session: str = "") -> str | None:
        """The id of who sent these headers, or None for somebody who is not known yet."""
        sent = _cookie(headers.get("cookie", ""), self.cookie)
        if self._login is not None:
            return self._user(sent)
        token, signed = self._token(sent)
        if not token:
            return _SESSION + _digest(session) if session else None
        visitor = "visitor-" + _digest(token)
        with self._lock:
            if signed:
                self._known_from[visitor] = self._ticks()
            elif visitor not in self._known_from and self._room():
                self._known_from[visitor] = self._ticks() + TRIAL
        return visitor

    def share(self, visitor: str) -> Share:
        """What the visitor's takings are counted on."""
        if self._login is not None:
            return Share(visitor, True)
        if visitor.startswith(_SESSION):
            return STRANGERS
        with self._lock:
            known_from = self._known_from.get(visitor)
        if known_from is None:  # the cookie has not come back, or there are too many of them
            return STRANGERS
        return Share(visitor, self._ticks() >= known_from)

    def renewed(self, headers: Mapping[str, str], secure: bool) -> str:
        """The signed cookie, for a browser that has deserved it and has none yet; else ""."""
        token, signed = self._token(_cookie(headers.get("cookie", ""), self.cookie))
        if self._login is not None or signed or not token:
            return ""
        if not self.share("visitor-" + _digest(token)).known:
            return ""
        return self._set_cookie(f"{token}.{self._sign(token)}", COOKIE_AGE, secure)

    def greet(self, secure: bool = False) -> tuple[str, str]:
        """A new visitor's id, and the cookie that makes the browser that visitor."""
        token = secrets.token_urlsafe(16)
        return "visitor-" + _digest(token), self._set_cookie(token, COOKIE_AGE, secure)

    def log_in(self, user: str, password: str, address: str, secure: bool = False) -> str | None:
        """The cookie of a right login, else None. PermissionError after too many tries."""
        assert self._login is not None
        now = self._ticks()
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
            _same(given, known) for given, known in zip((user, password), self._login, strict=True)
        ]
        if not all(right):
            return None
        ticket = f"{int(self._clock()) + TICKET_AGE}.{secrets.token_urlsafe(16)}"
        return self._set_cookie(f"{ticket}.{self._sign(ticket)}", TICKET_AGE, secure)

    async def log_out(self, headers: Mapping[str, str], secure: bool = False) -> str:
        """End the ticket that was sent, for good; returns what takes it from the browser.

        "" where there is no ticket to end: then nothing changes.
        """
        sent = _cookie(headers.get("cookie", ""), self.cookie)
        if self._login is None or self._user(sent) is None:
            return ""
        await self._ended.add(_digest(sent), float(sent.partition(".")[0]), self._clock())
        return self._set_cookie("", 0, secure)

    async def logged_out(self, headers: Mapping[str, str]) -> None:
        """Return once the ticket that was sent has been ended; without a login, never."""
        await self._ended.wait(_digest(_cookie(headers.get("cookie", ""), self.cookie)))

    def _user(self, sent: str) -> str | None:
        ticket, _, signature = sent.rpartition(".")
        until = ticket.partition(".")[0]
        if self._login is None or not (until.isascii() and until.isdecimal() and len(until) < 16):
            return None
        right = _same(signature, self._sign(ticket))
        if not right or int(until) <= self._clock() or _digest(sent) in self._ended:
            return None
        return self._login[0]

    def _token(self, sent: str) -> tuple[str, bool]:
        """The token in a cookie, "" where there is none, and whether it is signed."""
        token, _, signature = sent.partition(".")
        if len(token) != TOKEN or not token.isascii():
            return "", False
        return token, _same(signature, self._sign(token))

    def _room(self) -> bool:
        """Whether another new cookie can be remembered. Who has not come back for a day goes."""
        if len(self._known_from) >= NEWCOMERS:
            oldest = self._ticks() - 24 * 3600
            self._known_from = {v: at for v, at in self._known_from.items() if at > oldest}
        return len(self._known_from) < NEWCOMERS

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), "sha256").hexdigest()

    def _set_cookie(self, value: str, age: int, secure: bool) -> str:
        only = "; Secure" if secure else ""
        return f"{self.cookie}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{only}"


def over_tls(scope: MutableMapping[str, Any]) -> bool:
    """Whether the browser asks over TLS, as far as the server, a proxy or the browser says so.

    Nobody gains by lying here: all it does is that the own cookie is kept from plain HTTP.
    """
    headers = {name.lower(): value for name, value in scope["headers"]}
    proxied = headers.get(b"x-forwarded-proto", b"").partition(b",")[0].strip().lower()
    origin = headers.get(b"origin", b"").lower()
    return scope.get("scheme") == "https" or proxied == b"https" or origin.startswith(b"https://")


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _cookie(header: str, name: str) -> str:
    """By hand: the standard parser gives up at the first cookie of a neighbour that it dislikes."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for key, _, value in pairs if key == name), "")
