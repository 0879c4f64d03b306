"""Who is who: cookies without a login, tickets with one."""

from dataclasses import replace

import pytest

from studio.settings import Settings
from studio.visitors import TICKET_AGE, TRIES, Visitors

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
    until, _, signature = cookie.partition(";")[0].partition("=")[2].partition(".")
    name = visitors.cookie
    for ticket in (f"{int(until) + 1}.{signature}", f"{until}.", until, "9" * 15 + ".x", "²2.x"):
        assert visitors.of({"cookie": f"{name}={ticket}"}) is None, ticket
    good = {"cookie": f"{name}={until}.{signature}"}
    assert visitors.of(good) == "ada"
    assert Visitors(CLOSED, b"another secret", clock).of(good) is None
    other = replace(CLOSED, login=("ada", "new password"))
    assert Visitors(other, SECRET, clock).of(good) is None, "a new password ends old tickets"


def test_a_login_is_needed_whatever_else_is_sent() -> None:
    visitors = Visitors(CLOSED, SECRET)
    _, cookie = Visitors(OPEN, SECRET).greet()
    assert visitors.of(sent(cookie)) is None
    assert visitors.of({}, "session") is None
    assert visitors.of(sent(visitors.log_out())) is None


def test_guessing_is_slowed_down_for_one_address_only() -> None:
    clock = Clock()
    visitors = Visitors(CLOSED, SECRET, clock)
    for _ in range(TRIES):
        assert visitors.log_in("ada", "guess", "6.6.6.6") is None
    with pytest.raises(PermissionError, match="Wait a minute"):
        visitors.log_in("ada", "söme pass", "6.6.6.6")
    assert visitors.log_in("ada", "söme pass", "1.2.3.4")
    clock.now += 61
    assert visitors.log_in("ada", "söme pass", "6.6.6.6")
