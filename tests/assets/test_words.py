"""Words as the page tells them apart: the same as the studio, whose names for them it sends."""

import re
from typing import Any

import pytest

from pipelines.words import emphasis

WORDS = 'async text => (await import("/page/words.js")).wordsOf(text)'

PROMPTS = (
    "a red house, on  a meadow.",
    "a (red:1.3) house, [on a meadow]",
    "((a red) house: 0.5 ) by day",
    "red:1.3) house) and tree]s :)",
    "(red house and [a tree",
    "a red++, blue-green-- house+ by-day -- a+b C++ pre- x",
    "(two words)-- (red)1.3 (red)2nd (red)2. (red).5",
    r"\(red\) house\+ C\++ a\b (\(red\):2)",
    "a BREAK b BREAKFAST xBREAK BREAK",
    "größe (größer:1.2) 山+ d'été++",
    "(red:1.2.3) 8:30 (16:9)",
)


@pytest.mark.browser
def test_the_page_tells_words_apart_as_the_studio_does(bare: Any) -> None:
    for prompt in PROMPTS:
        runs = emphasis.read(prompt).text.split()
        inner = [re.search(r"\w(?:.*\w)?", run) for run in runs]
        found = bare.evaluate(WORDS, prompt)
        assert found == [each[0] for each in inner if each], prompt
