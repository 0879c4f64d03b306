"""Each browser tab is a desk of its own: what one keeps, no other one takes away."""

import re
from typing import Any

import pytest

from tests.page.conftest import Open
from tests.page.painter import Painter
from tests.page.pretend import Pretend

LINES = [(((0.2, y), (0.8, y)),) for y in (0.2, 0.5, 0.8)]
WORDS = ["a red house", "a blue boat on a lake", "a white tower on snow at night"]

# A tab as a browser keeps it that has closed it.
CLOSED = """async ([id, seen, key]) => {
    const space = `pentimento ${location.pathname} `;
    localStorage.setItem(`${space}${id} tab`, JSON.stringify({used: 0, seen}));
    localStorage.setItem(`${space}${id} ${key}`, "{}");
    const opening = indexedDB.open("pentimento", 1);
    const database = await new Promise((done) => (opening.onsuccess = () => done(opening.result)));
    const change = database.transaction("canvases", "readwrite");
    change.objectStore("canvases").put({}, `${space}${id} canvas-paint`);
    await new Promise((done) => (change.oncomplete = done));
    database.close();
}"""
KEPT = """async () => {
    const opening = indexedDB.open("pentimento", 1);
    const database = await new Promise((done) => (opening.onsuccess = () => done(opening.result)));
    const asked = database.transaction("canvases").objectStore("canvases").getAllKeys();
    const drawings = await new Promise((done) => (asked.onsuccess = () => done(asked.result)));
    database.close();
    const words = Object.keys(localStorage).filter((key) => key.startsWith("pentimento "));
    const ids = (keys) => [...new Set(keys.map((key) => key.split(" ")[2]))];
    return [ids(words), ids(drawings)];
}"""
IDENTITY = "JSON.parse(sessionStorage.getItem(`pentimento ${location.pathname} `)).id"
BLOCKED = """for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
    Object.defineProperty(window, name, {configurable: true, get() {
        throw new DOMException("denied", "SecurityError");
    }});
}"""


@pytest.fixture
def painter(opened: Open, pretend_url: str, pretend: Pretend) -> Painter:
    pretend.go.set()
    return opened(pretend_url)


def beside(painter: Painter, url: str) -> Painter:
    """Another tab of the same browser."""
    return Painter(painter.page.context.new_page(), url)


def kept(painter: Painter) -> None:
    """Wait until the browser has what was painted."""
    painter.page.locator(f"#canvas-{painter.key} [data-kept=true]").wait_for()


def until_words(painter: Painter, words: str) -> None:
    """What was typed comes back a moment after the page."""
    painter.page.wait_for_function(
        "([key, words]) => document.querySelector(`#words-${key} textarea`).value === words",
        arg=[painter.key, words],
    )


def identity(page: Any) -> str:
    return page.evaluate(
        "JSON.parse(sessionStorage.getItem(`pentimento ${location.pathname} `)).id"
    )


def test_three_tabs_paint_run_and_reload_in_turn_and_lose_nothing(
    painter: Painter, pretend: Pretend, pretend_url: str
) -> None:
    tabs = [painter, beside(painter, pretend_url), beside(painter, pretend_url)]
    for tab, lines, words in zip(tabs, LINES, WORDS, strict=True):
        tab.page.bring_to_front()
        tab.paint(lines)
        tab.write(words)
        kept(tab)
    marks = [tab.marks() for tab in tabs]
    names: list[str] = []
    for tab in tabs:
        tab.page.bring_to_front()
        names.append(pretend.next_name)
        tab.run.click()
        tab.until_saved(names[-1])
    for turn in range(2):
        for tab, count, words, name in zip(tabs, marks, WORDS, names, strict=True):
            tab.page.bring_to_front()
            tab.reload()
            tab.until_marks(count)
            until_words(tab, words)
            tab.until_saved(name)
            tab.paint((((0.1, 0.05 + 0.05 * turn), (0.2, 0.05 + 0.05 * turn)),))
            kept(tab)
        former, marks = marks, [tab.marks() for tab in tabs]
        assert all(now > then for now, then in zip(marks, former, strict=True))
    assert [error for tab in tabs for error in tab.errors] == []


def test_a_tab_keeps_its_mask_settings_and_open_tab(painter: Painter, pretend_url: str) -> None:
    other = beside(painter, pretend_url)
    other.page.bring_to_front()
    other.turn_to("Replace")
    other.ready()
    other.paint()
    kept(other)
    other.number("Grow", 7)
    marks = other.marks("mask")
    assert marks > 0
    painter.page.bring_to_front()
    painter.turn_to("Replace")
    painter.ready()
    assert painter.marks("mask") == 0
    painter.number("Grow", 3)
    painter.turn_to("Paint")
    for tab, name, grow in ((other, "Replace", "7"), (painter, "Paint", "3")):
        tab.page.bring_to_front()
        tab.page.reload()
        chosen = tab.page.get_by_role("tab", name=name, exact=True)
        chosen.and_(tab.page.locator("[aria-selected=true]")).wait_for()
        tab.turn_to("Replace")
        tab.ready()
        tab.page.wait_for_function(
            "grow => document.querySelector("
            "'#tab-replace [aria-label=\"number input for Grow\"]').value === grow",
            arg=grow,
        )
    assert other.marks("mask") == marks and painter.marks("mask") == 0


def test_a_new_tab_starts_from_the_latest_and_then_goes_its_own_way(
    painter: Painter, pretend_url: str
) -> None:
    other = beside(painter, pretend_url)
    for tab, lines, words in (
        (other, LINES[1], WORDS[1]),
        (painter, LINES[0] + LINES[2], WORDS[0]),
    ):
        tab.page.bring_to_front()
        tab.paint(lines)
        tab.write(words)
        kept(tab)
    latest, other_marks = painter.marks(), other.marks()
    new = beside(painter, pretend_url)
    new.until_marks(latest)
    until_words(new, WORDS[0])
    painter.page.bring_to_front()
    painter.press("Clear strokes")
    kept(painter)
    new.page.bring_to_front()
    new.reload()
    assert new.marks() == latest, "what it began with is its own, though it has changed nothing"
    assert other.marks() == other_marks


def test_a_duplicated_tab_is_a_tab_of_its_own(painter: Painter) -> None:
    painter.paint(LINES[0])
    kept(painter)
    marks = painter.marks()
    page = painter.page
    with page.context.expect_page() as opening:
        page.evaluate(
            "void window.open(location.href)"
        )  # copies the session's store, as a duplicate
    copy = opening.value
    copy.set_default_timeout(60_000)
    copied = Painter.__new__(Painter)
    copied.page, copied.tab, copied.errors = copy, "Paint", []
    copied.ready()
    assert identity(copy) != identity(page)
    copied.until_marks(marks)
    copied.paint(LINES[1])
    kept(copied)
    page.bring_to_front()
    painter.reload()
    assert painter.marks() == marks


def test_two_tabs_that_come_by_one_name_part(painter: Painter, pretend_url: str) -> None:
    """Say one that was duplicated while another site was open in it."""
    painter.paint(LINES[0])
    kept(painter)
    name, marks = identity(painter.page), painter.marks()
    page = painter.page.context.new_page()
    page.add_init_script(
        "if (!sessionStorage.length) sessionStorage.setItem(`pentimento ${location.pathname} `,"
        f" JSON.stringify({{id: '{name}', taken: false}}))"
    )
    page.goto(pretend_url)
    page.wait_for_function(f"name => {IDENTITY} !== name", arg=name)
    page.wait_for_selector("#canvas-paint [data-ready]")
    page.wait_for_function(
        "marks => document.querySelector('#canvas-paint .pm-strokes').getContext('2d')"
        ".getImageData(0, 0, 256, 256).data.filter((v, i) => i % 4 === 3 && v).length === marks",
        arg=marks,
    )
    assert identity(painter.page) == name and painter.marks() == marks


def test_no_more_than_twelve_tabs_are_kept_the_newest_first(painter: Painter) -> None:
    painter.paint()
    kept(painter)
    marks, own = painter.marks(), identity(painter.page)
    for number in range(20):
        painter.page.evaluate(CLOSED, [f"old-{number:02d}", 1000 + number, "form-paint"])
    painter.reload()
    assert painter.marks() == marks
    painter.reload()
    for ids in painter.page.evaluate(KEPT):
        assert sorted(ids) == sorted([own, *(f"old-{number:02d}" for number in range(9, 20))])


def test_a_browser_that_keeps_nothing_paints_and_runs(
    opened: Open, browser: Any, pretend_url: str, pretend: Pretend
) -> None:
    painter = opened(pretend_url, kind=Forgetful)
    painter.paint()
    painter.page.get_by_text(re.compile("This browser does not keep the canvas")).wait_for()
    painter.write(WORDS[0])
    name = pretend.next_name
    painter.run.click()
    painter.until_saved(name)
    assert painter.words.input_value() == WORDS[0]


class Forgetful(Painter):
    """In a browser whose stores are blocked."""

    def __init__(self, page: Any, url: str, tab: str = "Paint") -> None:
        page.add_init_script(BLOCKED)
        super().__init__(page, url, tab)
