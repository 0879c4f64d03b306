"""Who is who: cookies without a login, tickets with one."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from studio.access.tickets import Ended
from studio.access.visitors import TICKET_AGE, Visitors, over_tls
from studio.settings import Settings
from studio.shares import STRANGERS

OPEN = Settings.read([], {})
CLOSED = replace(OPEN, login=("ada", "söme pass"))
SECRET = b"s" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def sent(cookie: str) -> dict[str, str]:
    """What a browser sends back after it was given a cookie."""
    return {"cookie": "other=1; " + cookie.partition(";")[0] + "; {odd}=;;"}


def test_a_browser_is_known_again_by_its_cookie() -> None:
    visitors = Visitors(OPEN, SECRET)
    visitor, cookie = visitors.greet()
    assert visitors.of(sent(cookie)) == visitor
    assert Visitors(OPEN, b"another").of(sent(cookie)) == visitor, "after a restart as well"
    assert visitors.greet()[0] != visitor
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie


def test_the_visitors_id_does_not_tell_the_cookie() -> None:
    visitor, cookie = Visitors(OPEN, SECRET).greet()
    token = cookie.partition(";")[0].partition("=")[2]
    assert token not in visitor
    forged = {"cookie": f"{Visitors(OPEN, SECRET).cookie}={visitor}"}
    assert Visitors(OPEN, SECRET).of(forged) != visitor


def test_without_a_cookie_a_program_is_known_by_its_session() -> None:
    visitors = Visitors(OPEN, SECRET)
    assert visitors.of({}) is None
    assert visitors.of({}, "s1") == visitors.of({}, "s1") != visitors.of({}, "s2")
    _, cookie = visitors.greet()
    assert visitors.of(sent(cookie), "s1") != visitors.of({}, "s1"), "the cookie wins"


def test_two_studios_on_one_host_keep_their_cookies_apart() -> None:
    assert Visitors(OPEN, SECRET).cookie != Visitors(replace(OPEN, port=7861), SECRET).cookie


def test_a_right_login_gives_a_ticket_that_holds_for_a_while() -> None:
    clock = Clock()
    visitors = Visitors(CLOSED, SECRET, clock)
    cookie = visitors.log_in("ada", "söme pass", "1.2.3.4")
    assert cookie is not None and visitors.of(sent(cookie)) == "ada"
    assert Visitors(CLOSED, SECRET, clock).of(sent(cookie)) == "ada", "after a restart as well"
    clock.now += TICKET_AGE + 1
    assert visitors.of(sent(cookie)) is None


@pytest.mark.parametrize(
    ("user", "password"),
    [("ada", "wrong"), ("bob", "söme pass"), ("", ""), ("ada", "söme pass "), ("ada", "\ud800")],
)
def test_a_wrong_login_gives_nothing(user: str, password: str) -> None:
    assert Visitors(CLOSED, SECRET).log_in(user, password, "1.2.3.4") is None


def test_tickets_cannot_be_made_or_stretched() -> None:
    clock = Clock()
    visitors = Visitors(CLOSED, SECRET, clock)
    cookie = visitors.log_in("ada", "söme pass", "1.2.3.4")
    assert cookie is not None
    ticket = cookie.partition(";")[0].partition("=")[2]
    until, nonce, signature = ticket.split(".")
    name = visitors.cookie
    for forged in (
        f"{int(until) + 1}.{nonce}.{signature}",
        f"{until}.{nonce}x.{signature}",
        f"{until}.{signature}",
        f"{until}.{nonce}.",
        until,
        "9" * 15 + ".x.y",
        "²2.x.y",
    ):
        assert visitors.of({"cookie": f"{name}={forged}"}) is None, forged
    good = {"cookie": f"{name}={ticket}"}
    assert visitors.of(good) == "ada"
    assert Visitors(CLOSED, b"another secret", clock).of(good) is None
    other = replace(CLOSED, login=("ada", "new password"))
    assert Visitors(other, SECRET, clock).of(good) is None, "a new password ends old tickets"


def test_a_login_is_needed_whatever_else_is_sent() -> None:
    visitors = Visitors(CLOSED, SECRET)
    _, cookie = Visitors(OPEN, SECRET).greet()
    assert visitors.of(sent(cookie)) is None
    assert visitors.of({}, "session") is None
    assert visitors.of(sent(visitors.greet()[1])) is None


def test_guessing_is_slowed_down_for_one_address_only() -> None:
    ticks = Clock()
    visitors = Visitors(CLOSED, SECRET, ticks=ticks)
    for _ in range(5):
        assert visitors.log_in("ada", "guess", "6.6.6.6") is None
    with pytest.raises(PermissionError, match="Wait a minute"):
        visitors.log_in("ada", "söme pass", "6.6.6.6")
    assert visitors.log_in("ada", "söme pass", "1.2.3.4")
    ticks.now += 61
    assert visitors.log_in("ada", "söme pass", "6.6.6.6")


@pytest.mark.parametrize("leap", [3600.0, -3600.0])
def test_setting_the_clock_neither_frees_nor_locks_anybody(leap: float) -> None:
    clock, ticks = Clock(), Clock()
    visitors = Visitors(CLOSED, SECRET, clock, ticks)
    for _ in range(5):
        assert visitors.log_in("ada", "guess", "6.6.6.6") is None
    clock.now += leap
    with pytest.raises(PermissionError):
        visitors.log_in("ada", "söme pass", "6.6.6.6")
    ticks.now += 61
    assert visitors.log_in("ada", "söme pass", "6.6.6.6")


def test_a_ticket_that_was_ended_opens_nothing_also_after_a_restart(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "ended.json"
    visitors = Visitors(CLOSED, SECRET, clock, ended=Ended(file))
    old, other = (visitors.log_in("ada", "söme pass", "1.2.3.4") for _ in range(2))
    assert old and other and old != other, "two tickets of the same second"
    assert "Max-Age=0" in asyncio.run(visitors.log_out(sent(old)))
    for each in (visitors, Visitors(CLOSED, SECRET, clock, ended=Ended(file))):
        assert each.of(sent(old)) is None
        assert each.of(sent(other)) == "ada", "the login of another browser holds"
    assert asyncio.run(visitors.log_out(sent(old))) == "", "nothing is left to end"
    clock.now += TICKET_AGE + 1
    assert visitors.log_in("ada", "söme pass", "1.2.3.4")


BROKEN = {
    "empty": b"",
    "cut off": b"{",
    "a list": b"[]",
    "a word": b'{"a": "x"}',
    "no text": b"\xff",
    "deep": b"[" * 100_000,
    "huge": b'{"a": 1' + b"0" * 400 + b"}",
    "infinite": b'{"a": Infinity}',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_list_of_ended_tickets_stops_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ended.json"
    file.write_bytes(content)
    visitors = Visitors(CLOSED, SECRET, ended=Ended(file))
    cookie = visitors.log_in("ada", "söme pass", "1.2.3.4")
    assert cookie and asyncio.run(visitors.log_out(sent(cookie)))
    assert visitors.of(sent(cookie)) is None
    (aside,) = tmp_path.glob("ended.json.damaged-*")
    assert aside.read_bytes() == content
    assert {each.name for each in tmp_path.iterdir()} == {aside.name, "ended.json"}


def test_who_has_no_ticket_logs_nobody_out() -> None:
    _, cookie = Visitors(OPEN, SECRET).greet()
    for headers in ({}, sent(cookie), {"cookie": f"{Visitors(CLOSED, SECRET).cookie}=1.2.3"}):
        assert asyncio.run(Visitors(OPEN, SECRET).log_out(headers)) == ""
        assert asyncio.run(Visitors(CLOSED, SECRET).log_out(headers)) == ""


@pytest.mark.parametrize(
    ("scheme", "headers", "secure"),
    [
        ("http", [], False),
        ("https", [], True),
        ("http", [(b"x-forwarded-proto", b"https")], True),
        ("http", [(b"X-Forwarded-Proto", b"HTTPS, http")], True),
        ("http", [(b"x-forwarded-proto", b"http")], False),
        ("http", [(b"origin", b"https://studio.example.org")], True),
        ("http", [(b"origin", b"http://studio.example.org")], False),
    ],
)
def test_cookies_are_kept_from_plain_http_where_the_browser_speaks_tls(
    scheme: str, headers: list[tuple[bytes, bytes]], secure: bool
) -> None:
    told = over_tls({"scheme": scheme, "headers": headers})
    assert told is secure
    cookies = [Visitors(OPEN, SECRET).greet(told)[1]]
    cookies.append(Visitors(CLOSED, SECRET).log_in("ada", "söme pass", "1.2.3.4", told) or "")
    assert all(("; Secure" in cookie) is secure for cookie in cookies)


def test_a_new_cookie_has_a_share_of_its_own_once_it_has_come_back() -> None:
    ticks = Clock()
    visitors = Visitors(OPEN, SECRET, ticks=ticks)
    visitor, cookie = visitors.greet()
    assert visitors.share(visitor) == STRANGERS
    assert visitors.share(visitors.of({}, "a session") or "") == STRANGERS
    visitors.of(sent(cookie))
    mine = visitors.share(visitor)
    assert mine.name == visitor and not mine.known
    assert visitors.renewed(sent(cookie), False) == ""
    ticks.now += 600
    assert visitors.share(visitor).known
    signed = visitors.renewed(sent(cookie), False)
    assert signed.startswith(cookie.partition(";")[0] + ".")

    restarted = Visitors(OPEN, SECRET, ticks=ticks)
    assert restarted.of(sent(signed)) == visitor and restarted.share(visitor).known
    assert restarted.renewed(sent(signed), False) == ""
    for forged in (f"{signed.partition(';')[0]}x", f"{cookie.partition(';')[0]}.abc"):
        other = Visitors(OPEN, SECRET, ticks=ticks)
        assert other.of({"cookie": forged}) == visitor and not other.share(visitor).known
    assert Visitors(CLOSED, SECRET).share("ada").known, "behind a login nobody is a newcomer"


def test_a_flood_of_cookies_is_not_remembered_for_ever() -> None:
    ticks = Clock()
    visitors = Visitors(OPEN, SECRET, ticks=ticks)
    for number in range(10_100):
        visitors.of({"cookie": f"{visitors.cookie}={number:022}"})
    late, cookie = visitors.greet()
    visitors.of(sent(cookie))
    assert visitors.share(late) == STRANGERS
    ticks.now += 25 * 3600
    visitors.of(sent(cookie))
    assert visitors.share(late).name == late
