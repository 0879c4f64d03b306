"""From settings to a studio that answers: the port, the sentences at the start, the server.

The port is taken first, and everything heavy is imported only then: a wrong start is told at once.
"""

import errno
import gc
import logging
import os
import socket
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from studio import disk
from studio.models import chosen
from studio.settings import Settings, check_model

CONNECTIONS = 900  # at once, of which studio/access/connections.py lets no more than 800 be
CACHE_AGE = 24 * 3600.0  # seconds
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",  # which it sums up after each event
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
}


def serve(settings: Settings) -> int:
    """Serve until interrupted; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.environ.update(QUIET)
    cache = settings.data / "cache"
    os.environ["GRADIO_TEMP_DIR"] = str(cache)
    try:
        settings = with_last_choice(settings)
        check_model(settings.model)
        disk.folder(settings.data, "--data")
        disk.folder(cache, "--data")
        sweep(cache, time.time() - CACHE_AGE)
        with listen(settings) as listener:
            return _serve(settings, listener)
    except ImportError as error:
        if (sentence := missing_library(error)) is None:
            raise
        print(sentence, file=sys.stderr)
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        print(f"The studio cannot start: {what}{disk.reason(error)}.", file=sys.stderr)
    return 1


def _serve(settings: Settings, listener: socket.socket) -> int:
    import uvicorn

    from studio.access.connections import BACKLOG, Connection, ask_for_files
    from studio.app import create
    from studio.inputs import validation

    ask_for_files()
    spare_libraries()
    app = create(settings)
    validation.restrict_pillow()
    print(f"Pentimento is at {settings.url} (Ctrl+C ends it)", flush=True)
    if settings.browser and _has_display():
        threading.Thread(target=webbrowser.open, args=(settings.url,), daemon=True).start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=Connection,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=2,  # streams would stay open for ever
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more after it has closed all
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def spare_libraries() -> None:
    """Keep the garbage collector from looking through all that was imported.

    It takes a third of a second for these half million objects, in which no other thread works.
    """
    gc.collect()
    gc.freeze()


def with_last_choice(settings: Settings) -> Settings:
    """With the model that was chosen last, where none was named; as far as it is still there."""
    last = None if settings.asked else chosen.read(settings.data)
    if last is None:
        return settings
    model, on_top = last
    try:
        check_model(model)
    except ValueError as refusal:
        print(f"The model chosen last is not there. {refusal}", file=sys.stderr)
        return settings
    there = on_top.only(os.path.isfile)
    if gone := sorted({*on_top.files} - {*there.files}):
        names = ", ".join(gone)
        print(f"What was on top of the model is not all there: {names}.", file=sys.stderr)
    return replace(settings, model=model, on_top=there)


def sweep(cache: Path, before: float) -> None:
    """Delete uploads and copies of earlier days, and the folders that were made for them.

    The history keeps its own files elsewhere.
    """
    for folder, _, names in os.walk(cache, topdown=False):
        place = Path(folder)
        with suppress(OSError):  # another studio may sweep as well
            idle = place != cache and place.lstat().st_mtime < before
            for path in (place / name for name in names):
                with suppress(OSError):
                    if path.lstat().st_mtime < before:
                        path.unlink()
            if idle:
                place.rmdir()


def listen(settings: Settings) -> socket.socket:
    """Take the port; ValueError with a sentence where it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":  # there it would let two studios share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"Port {settings.port} is taken, perhaps by another studio at {settings.url}. "
                "Choose another with --port."
            ) from error
        raise ValueError(f"Cannot listen on {settings.url}: {error.strerror}.") from error
    return listener


def missing_library(error: ImportError) -> str | None:
    """A sentence where the system lacks a library that OpenCV needs, as bare servers do."""
    if ".so" not in str(error):
        return None
    return (
        f"A system library is missing ({error}). "
        "On Debian or Ubuntu: apt install libgl1 libglib2.0-0"
    )


def _has_display() -> bool:
    """Whether a browser has a window to open; without one, a text browser takes the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
