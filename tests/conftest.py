"""The ground every test stands on: offline, on folders of its own, the browser last.

- No test reaches beyond this machine. A connection or a look-up that tries is refused, and the
  test during which it happened fails, even where a library swallows the refusal.
- What the studio and gradio write goes to a folder that is gone afterwards.
- Tests that take the fixture `browser` are marked so and run last. What was skipped is named at
  the end.
"""

import ipaddress
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
POSTCARD = ROOT / "assets" / "models" / "postcard"

_scratch = Path(tempfile.mkdtemp(prefix="pentimento-tests-"))

# Before anything imports torch, gradio or a hub client; the processes that tests start inherit it.
for name in [name for name in os.environ if name.startswith("PENTIMENTO_")]:
    if name != "PENTIMENTO_CHROMIUM":
        del os.environ[name]
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HOME": str(_scratch / "hub"),
    "GRADIO_TEMP_DIR": str(_scratch / "gradio"),
    "PENTIMENTO_DATA": str(_scratch / "data"),
    "PENTIMENTO_NO_BROWSER": "1",
}
os.environ.setdefault("OMP_NUM_THREADS", str(min(4, os.cpu_count() or 1)))

# Hypothesis tries the same examples on every run, and keeps nothing of them.
settings.register_profile("tests", derandomize=True, database=None, deadline=None)
settings.load_profile("tests")

_outside: list[str] = []  # what was refused, until a test owns up to it


class OutsideError(ConnectionRefusedError):
    """A test tried to leave this machine."""


def _is_inside(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text.endswith(".localhost") or text == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def _refuse_outside(host: object) -> None:
    if not _is_inside(host):
        _outside.append(str(host))
        raise OutsideError(f"Tests run offline, but something reached for {host!s}.")


def _guard_sockets() -> None:
    """Wrap what opens a connection or looks up a name; loopback and Unix sockets pass."""

    def guarded(original: Any) -> Any:
        def wrapper(self: socket.socket, *arguments: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                _refuse_outside(arguments[-1][0])  # the address comes last
            return original(self, *arguments)

        return wrapper

    for verb in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, verb, guarded(getattr(socket.socket, verb)))

    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        _refuse_outside(host)
        return look_up(host, *arguments, **named)

    socket.getaddrinfo = getaddrinfo


_guard_sockets()


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """Fails the test during which something reached beyond this machine."""
    _outside.clear()
    yield
    if _outside:
        pytest.fail(f"Reached beyond this machine: {', '.join(sorted(set(_outside)))}.")


@pytest.fixture(scope="session")
def postcard() -> Any:
    """The embedded model, loaded once, float32 on the CPU. Nobody may change it."""
    if not any(POSTCARD.rglob("*.safetensors")):
        pytest.skip("assets/models/postcard has no weights")
    from pipelines import Bundle

    return Bundle.load(str(POSTCARD))


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`toy_model(path, **unet)` makes a model of random weights there.

    It is a copy of one that was saved once; its U-Net's configuration says what is given as `unet`.
    """
    from tests import toys

    saved = tmp_path_factory.mktemp("toy")
    toys.tiny_pipeline(saved / "tokenizer").save_pretrained(str(saved))

    def copied(path: Path, **unet: Any) -> Path:
        shutil.copytree(saved, path)
        config = path / "unet" / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), **unet}))
        return path

    return copied


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium of the machine, headless. A test makes its own contexts and closes them."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed (requirements-dev.txt)")
    from tests import chromium

    with sync_playwright() as playwright:
        executable = chromium.find(playwright)
        if executable is None:
            pytest.skip(chromium.MISSING)
        browser = chromium.launch(playwright, executable)
        yield browser
        browser.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--part",
        choices=("beside", "alone"),
        help="only the tests that may run beside others, or only those marked `alone`",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browser tests go last: quick answers first, and Playwright keeps this thread's event loop.

    So do the other tests of their files, which one process takes as a whole.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    browsing = {item.path for item in items if item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path in browsing)
    part = config.getoption("part")
    if part:
        other = [item for item in items if _part(item) != part]
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if _part(item) == part]


def _part(item: pytest.Item) -> str:
    return "beside" if item.get_closest_marker("alone") is None else "alone"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names every skipped test with its reason: a skip must never pass for a pass."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section("skipped, not tested", yellow=True)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


def pytest_unconfigure() -> None:
    shutil.rmtree(_scratch, ignore_errors=True)
