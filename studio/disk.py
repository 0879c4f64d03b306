"""What the studio keeps on the disk: files that are whole or not there, and why a disk refuses."""

import errno
import logging
import os
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

log = logging.getLogger(__name__)

DRAFT = ".writing"  # how the name of something half-written ends; it begins with a dot
DRAFT_AGE = 24 * 3600.0  # seconds after which nobody is writing it any more

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full",
    errno.EROFS: "it is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ENOENT: "it is not there",
    errno.ENOTDIR: "a file is in its way",
    errno.EEXIST: "a file is in its way",
    errno.EISDIR: "a folder is in its way",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.EIO: "the disk reports an error",
}
_INDEX_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "permission is denied",
    sqlite3.SQLITE_BUSY: "another program has its index locked",
    sqlite3.SQLITE_LOCKED: "another program has its index locked",
    sqlite3.SQLITE_PROTOCOL: "another program has its index locked",
    sqlite3.SQLITE_CANTOPEN: "its index cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "its index is damaged",
    sqlite3.SQLITE_NOTADB: "its index is damaged",
}
_DAMAGE = {
    sqlite3.SQLITE_ERROR,  # what is in it does not fit our statements
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
}


def reason(error: Exception) -> str:
    """Why the disk, or the database on it, refused: a clause without a full stop."""
    if isinstance(error, OSError):
        return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _INDEX_REASONS.get(code) or str(error).rstrip(".")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the fault lies in what a database holds, and not in the place where it lies."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return not isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in _DAMAGE


def folder(path: Path, option: str, written: bool = True) -> Path:
    """A folder, made where it is not there, that can be read, and `written` if that is needed.

    ValueError with a sentence that names the `option` where it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        os.scandir(path).close()
        if not written:
            return path
        with tempfile.NamedTemporaryFile(dir=path, prefix=".", suffix=DRAFT) as probe:
            probe.write(bytes(4096))
            probe.flush()
    except OSError as error:
        raise ValueError(cannot(path, error, option)) from error
    return path


def cannot(path: Path, error: Exception, option: str) -> str:
    """The sentence for a folder that cannot be used."""
    return f"{path} cannot be used: {reason(error)}. Mend that, or name another with {option}."


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file beside the former one, flush it and rename it into place, durably.

    `mode` holds from the start. OSError where it cannot be done; then the former file is as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}{DRAFT}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        flush(path.parent)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write(path: Path, content: bytes) -> None:
    """Write a new file of a draft, and flush it to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush(folder: Path) -> None:
    """Make the names in a folder durable, where the platform can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def set_aside(path: Path, companions: Sequence[str] = ()) -> Path:
    """Rename what lies at a path, whatever it is, so that something new can take its place.

    `companions` are endings of files that belong to it; they go first. Returns where it is now.
    """
    endings = (*companions, "")
    name = f"{path.name}.damaged-{int(time.time())}"
    names = (name if number == 0 else f"{name}-{number}" for number in count())
    aside = next(
        found
        for found in map(path.with_name, names)
        if not any(os.path.lexists(f"{found}{ending}") for ending in endings)
    )
    for ending in endings:
        if os.path.lexists(f"{path}{ending}"):
            os.rename(f"{path}{ending}", f"{aside}{ending}")
    return aside


def sweep_drafts(place: Path, live: Collection[str] = ()) -> None:
    """Remove what killed runs left half-written in a folder, a day after it was last touched.

    `live` are names of those that are being written.
    """
    before = time.time() - DRAFT_AGE
    try:
        with os.scandir(place) as entries:
            named = [each for each in entries if each.name.startswith(".")]
    except OSError:
        return
    for each in named:
        if not each.name.endswith(DRAFT) or each.name in live:
            continue
        with suppress(OSError):  # another studio may sweep as well
            if _touched(each) >= before:
                continue
            log.info("Removing %s, which was never finished", each.path)
            if each.is_dir(follow_symlinks=False):
                shutil.rmtree(each.path)
            elif each.is_file(follow_symlinks=False):
                os.unlink(each.path)


def _touched(draft: os.DirEntry[str]) -> float:
    """When a draft, or a file in it, was written last, in seconds since 1970."""
    times = [draft.stat(follow_symlinks=False).st_mtime]
    if draft.is_dir(follow_symlinks=False):
        with os.scandir(draft.path) as inside:
            times += [each.stat(follow_symlinks=False).st_mtime for each in inside]
    return max(times)
