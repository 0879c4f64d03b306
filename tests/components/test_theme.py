"""The look: readable in the light and in the dark, and nothing from the net."""

import re

import pytest

from components.assets import FILES, HEAD
from components.theme import THEME

CSS = "".join(FILES[name].decode("utf-8") for name in FILES if name.endswith(".css"))

AA_TEXT, AA_PART = 4.5, 3.0  # WCAG 2: contrast of text, and of what marks a control

BLOCKS = {"light": r":root \{(.*?)\}", "dark": r"^\.dark \{(.*?)\}"}


def colours(mode: str) -> dict[str, str]:
    block = re.search(BLOCKS[mode], CSS, re.S | re.M)
    assert block is not None
    return dict(re.findall(r"--pm-([\w-]+): (#[0-9a-f]{6});", block[1]))


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_contrast_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", BLOCKS)
@pytest.mark.parametrize("text", ["ink", "soft"])
@pytest.mark.parametrize("ground", ["paper", "panel", "field"])
def test_text_is_readable(mode: str, text: str, ground: str) -> None:
    assert contrast(colours(mode)[text], colours(mode)[ground]) >= AA_TEXT


@pytest.mark.parametrize("mode", BLOCKS)
@pytest.mark.parametrize("ground", ["accent", "accent-strong"])
def test_the_run_button_is_readable(mode: str, ground: str) -> None:
    assert contrast(colours(mode)["on-accent"], colours(mode)[ground]) >= AA_TEXT


@pytest.mark.parametrize("mode", BLOCKS)
def test_focus_can_be_seen(mode: str) -> None:
    assert contrast(colours(mode)["accent"], colours(mode)["paper"]) >= AA_PART


@pytest.mark.parametrize("mode", BLOCKS)
@pytest.mark.parametrize("ground", ["paper", "panel", "field"])
def test_a_field_can_be_seen(mode: str, ground: str) -> None:
    assert contrast(colours(mode)["edge"], colours(mode)[ground]) >= AA_PART
    assert THEME.input_border_color == "var(--pm-edge)"


def test_both_modes_name_the_same_colours() -> None:
    assert colours("light").keys() == colours("dark").keys()


def test_every_colour_that_is_used_exists() -> None:
    used = set(re.findall(r"var\(--pm-([\w-]+)", CSS + str(THEME.to_dict())))
    assert used - {"serif"} <= colours("light").keys()


def test_nothing_comes_from_the_net() -> None:
    sent = HEAD + "".join(content.decode("utf-8") for content in FILES.values())
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"')]*", sent))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@font-face" not in THEME._get_theme_css()  # pyright: ignore[reportPrivateUsage]
