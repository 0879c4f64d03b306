"""The Chromium that the browser tests drive: found on the machine, or asked of Playwright.

`python -m tests.chromium` says which one it is, and fetches one where none is found.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = (
    "no Chromium found: install Debian's `chromium`, or run `playwright install chromium`, "
    "or name one in PENTIMENTO_CHROMIUM"
)


def find(playwright: Playwright) -> Path | None:
    """PENTIMENTO_CHROMIUM if it is set (it must exist), else one on the PATH, else Playwright's."""
    named = os.environ.get("PENTIMENTO_CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"PENTIMENTO_CHROMIUM names {named}, which is no file.")
        return Path(named)
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    own = Path(playwright.chromium.executable_path)
    return own if own.is_file() else None


def launch(playwright: Playwright, executable: Path) -> Browser:
    return playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))


def obtain() -> None:
    """Ask Playwright for its Chromium; without a network, says so and goes on."""
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        subprocess.run(command, check=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as problem:
        print(f"Playwright could not fetch a Chromium ({problem}).", file=sys.stderr)


def main() -> int:
    with sync_playwright() as playwright:
        found = find(playwright)
        if found is None:
            print("No Chromium on this machine; asking Playwright for one.")
            obtain()
            found = find(playwright)
    print(f"Browser tests drive {found}." if found else f"Browser tests are skipped: {MISSING}.")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
