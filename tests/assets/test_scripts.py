"""The scripts' own tests run in Node, without a browser; and how they are written is kept."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from components.assets import FILES

HERE = Path(__file__).resolve().parent
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))

node = pytest.mark.skipif(shutil.which("node") is None, reason="no node on the PATH")


@node
@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name)
def test_in_node(file: Path) -> None:
    done = subprocess.run(
        ["node", "--test", file], cwd=HERE, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_holds_one_thing(name: str) -> None:
    text = FILES[name].decode("utf-8")
    assert len(text.splitlines()) <= 300
    assert not re.search(r"\bwindow\.\w+ \?*=", text) or name == "page/traffic.js"
    assert "globalThis" not in text


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_imports_is_there(name: str) -> None:
    folder = name.partition("/")[0]
    imported = re.findall(r'(?:from|^import) "(\.[^"]+)";', FILES[name].decode("utf-8"), re.M)
    for path in imported:
        room, file = path.split("/")[-2:]
        assert f"{folder if room == '.' else room}/{file}" in FILES, path


def test_no_script_is_left_out() -> None:
    """Every one is reached from main.js, by what it imports."""
    reached: set[str] = set()
    todo = ["page/main.js"]
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached.add(name)
        for path in re.findall(r'(?:from|^import) "(\.[^"]+)";', FILES[name].decode("utf-8"), re.M):
            room, file = path.split("/")[-2:]
            todo.append(f"{name.partition('/')[0] if room == '.' else room}/{file}")
    assert reached | {"page/memory.js"} == set(SCRIPTS)  # memory.js is imported by a click's script


def test_globals_of_the_page_are_gradios() -> None:
    own = re.compile(r"window\.(pentimento\w*)")
    for name in SCRIPTS:
        assert not own.search(FILES[name].decode("utf-8")), name
