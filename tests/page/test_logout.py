"""Logging out on the page: the ticket ends on the server, and all its tabs ask for a login."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from tests.components.test_theme import AA_TEXT, contrast
from tests.page.conftest import Open
from tests.page.painter import CUT_OFF, Painter
from tests.page.test_manners import hexed
from tests.studio.conftest import Live, serving


class Member(Painter):
    """Logs in where that is asked for."""

    def ready(self) -> None:
        self.page.locator("input[type=password], [role=tab]").first.wait_for()
        if self.asked:
            self.page.get_by_label("Name").fill("ada")
            self.page.get_by_label("Password").fill("day")
            self.page.get_by_role("button", name="Log in").click()
        super().ready()

    @property
    def asked(self) -> bool:
        return self.page.get_by_label("Password").count() == 1

    @property
    def out(self) -> Any:
        return self.page.get_by_role("button", name="Log out", exact=True)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("locked"), login=("ada", "day")) as live:
        yield live


def test_logging_out_ends_the_ticket_and_asks_again(opened: Open, studio: Live) -> None:
    ada: Any = opened(studio.url, kind=Member)
    ada.write("a red house")
    ada.page.wait_for_timeout(300)  # what is typed is kept a moment later
    cookies = {each["name"]: each["value"] for each in ada.page.context.cookies()}
    ticket = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert httpx.get(f"{studio.url}/config", headers=ticket).status_code == 200
    other = Member(ada.page.context.new_page(), studio.url)
    ada.out.click()
    ada.page.wait_for_url("**/login")
    assert ada.asked and ada.page.context.cookies() == []
    assert httpx.get(f"{studio.url}/config", headers=ticket).status_code == 401
    other.run.click()
    alert = other.page.locator(".pt-changed")
    alert.wait_for()
    assert alert.inner_text().startswith("You are logged out. What you painted and wrote stays.")
    alert.get_by_role("button", name="Log in").click()
    other.page.wait_for_url("**/login")
    assert other.asked
    other.page.close()
    ada.ready()
    assert ada.words.input_value() == "a red house"


def test_without_a_login_there_is_nothing_to_log_out_of(opened: Open, studio_url: str) -> None:
    ada: Any = opened(studio_url, kind=Member)
    assert ada.out.count() == 0 and ada.page.get_by_text("false").count() == 0


def test_it_has_room_and_can_be_read(opened: Open, studio: Live) -> None:
    ada: Any = opened(studio.url, kind=Member)  # once: an address may log in five times a minute
    for width, scheme in product((360, 1280), ("light", "dark")):
        ada.page.set_viewport_size({"width": width, "height": 800})
        ada.page.emulate_media(color_scheme=scheme)
        ada.page.reload()
        ada.ready()
        box = ada.out.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 24
        assert ada.page.evaluate(CUT_OFF) == []
        ink, ground = ada.out.evaluate(
            "node => [getComputedStyle(node).color,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        assert contrast(hexed(ink), hexed(ground)) >= AA_TEXT, (width, scheme)
