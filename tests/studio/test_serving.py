"""A wrong start is one sentence, and a right one ends when it is told to."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.models import chosen
from studio.models.chosen import OnTop
from studio.serving import listen, missing_library, serve, sweep, with_last_choice
from studio.settings import POSTCARD, Settings

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", "--no-browser", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = start("--port", str(port), "--data", str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.startswith(f"Port {port} is taken") and run.stderr.count("\n") == 1


def test_the_collector_looks_through_little_once_the_studio_serves() -> None:
    """It holds up everybody; the libraries alone are several hundred thousand objects."""
    code = (
        "import gc, studio.app; from studio.serving import spare_libraries; spare_libraries();"
        "print(len(gc.get_objects()), gc.get_freeze_count())"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    left, spared = map(int, run.stdout.split())
    assert left < 1000 and spared > 200_000


def test_only_old_copies_are_swept(tmp_path: Path) -> None:
    for name, age in (("old", 90), ("new", 10)):
        path = tmp_path / name / "a.png"
        path.parent.mkdir()
        path.write_bytes(b"")
        os.utime(path, (1000 - age, 1000 - age))
        os.utime(path.parent, (1000 - age, 1000 - age))
    (tmp_path / "just made").mkdir()
    sweep(tmp_path, 1000 - 60)
    assert {path.name for path in tmp_path.rglob("*")} == {"new", "a.png", "just made"}
    sweep(tmp_path / "none", 0)


def test_sweeping_follows_no_link(tmp_path: Path) -> None:
    kept, cache = tmp_path / "photos" / "a.png", tmp_path / "cache"
    kept.parent.mkdir()
    kept.write_bytes(b"mine")
    cache.mkdir()
    os.utime(kept, (0, 0))
    (cache / "folder").symlink_to(kept.parent)
    (cache / "file.png").symlink_to(kept)
    sweep(cache, 1e12)
    assert kept.read_bytes() == b"mine" and not (cache / "file.png").is_symlink()


def test_an_address_that_is_not_ours_is_said() -> None:
    settings = replace(Settings.read([], {}), host="192.0.2.1")
    with pytest.raises(ValueError, match="Cannot listen on http://192"):
        listen(settings)


def test_a_library_that_is_missing_is_said() -> None:
    gone = "libGL.so.1: cannot open shared object file: No such file or directory"
    sentence = missing_library(ImportError(gone))
    assert sentence is not None and "libGL.so.1" in sentence and "apt install libgl1" in sentence
    assert missing_library(ImportError("No module named 'gradio'")) is None


def test_a_data_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = start("--data", str(tmp_path / "file" / "data"))
    assert run.returncode == 1 and run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["data", "data/cache", "data/edits", "data/models", "data/cache/scratch"]
)
def test_a_file_where_a_folder_should_be_is_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings.read(["--port", str(port), "--data", str(tmp_path / "data")], {})
    assert serve(settings) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{path} cannot be used: a file is in its way." in told
    assert path.read_text() == "mine"


FAULTS = [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO]


@pytest.mark.parametrize("code", FAULTS)
def test_whatever_the_disk_refuses_before_the_port_is_one_sentence(
    code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    settings = replace(Settings.read(["--data", str(tmp_path / "data")], {}), host="192.0.2.1")
    for name in ("mkdir", "open", "scandir", "stat", "lstat"):
        original = getattr(os, name)
        for turn in range(1, 30):
            left = [turn]

            def fail(*given: Any, original: Any = original, left: Any = left, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    raise OSError(code, os.strerror(code), "somewhere")
                return original(*given, **named)

            with monkeypatch.context() as patch:
                patch.setattr(os, name, fail)
                assert serve(settings) == 1
            told = capsys.readouterr().err.splitlines()[-1]
            assert told.endswith(".") and "Errno" not in told, told
            if left[0] > 0:
                break


def test_no_model_is_said_and_a_whole_start_says_where_it_is_and_ends(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--port", str(port), "--data", str(tmp_path / "data"), "--model", str(folder)]
    run = start(*where)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "no model_index.json" in run.stderr, "at once, before torch is imported"

    (folder / "model_index.json").write_text("{}")  # enough to begin, not enough to load
    command = [sys.executable, "app.py", "--no-browser", *where]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as studio:
        assert studio.stdout is not None and studio.stderr is not None
        assert studio.stdout.readline().startswith(f"Pentimento is at http://127.0.0.1:{port}")
        assert "The model did not load." in studio.stderr.readline()
        studio.send_signal(signal.SIGINT)
        _, rest = studio.communicate(timeout=60)
        assert "Traceback" not in rest and studio.returncode == 0


def test_the_model_chosen_last_is_served_unless_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.read(["--data", str(tmp_path)], {})
    assert with_last_choice(settings) == settings
    (tmp_path / "land").mkdir()
    (tmp_path / "land" / "model_index.json").write_text("{}")
    asyncio.run(chosen.write(tmp_path, str(tmp_path / "land")))
    assert with_last_choice(settings).model == str(tmp_path / "land")
    named = Settings.read(["--data", str(tmp_path), "--model", "a/b"], {})
    assert with_last_choice(named).model == "a/b"
    assert capsys.readouterr().err == ""

    style, gone = tmp_path / "style.safetensors", str(tmp_path / "gone.safetensors")
    style.touch()
    on_top = OnTop(((str(style), -0.5), (gone, 1.0)), (gone,))
    asyncio.run(chosen.write(tmp_path, str(tmp_path / "land"), on_top))
    assert chosen.read(tmp_path) == (str(tmp_path / "land"), on_top)
    assert with_last_choice(settings).on_top == OnTop(((str(style), -0.5),))
    told = capsys.readouterr().err
    assert told == f"What was on top of the model is not all there: {gone}.\n"
    assert not with_last_choice(named).on_top

    (tmp_path / "land" / "model_index.json").unlink()
    assert with_last_choice(settings).model == str(POSTCARD)
    assert capsys.readouterr().err.startswith("The model chosen last is not there.")
    for odd in ("~nobody-of-this-name/x", "/" + "a" * 5000, "a\0/b"):
        asyncio.run(chosen.write(tmp_path, odd, OnTop((("/" + "a" * 5000, 1.0),))))
        assert with_last_choice(settings) == settings
        assert capsys.readouterr().err.startswith("The model chosen last is not there.")
    for broken in (b"\xff\xfe", b"{", b"[]", b'{"model": 7, "loras": {}, "embeddings": []}'):
        (tmp_path / chosen.FILE).write_bytes(broken)
        assert with_last_choice(settings) == settings
