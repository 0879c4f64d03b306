"""What the tickets of a login are signed with: 32 random bytes, for this person's eyes only."""

import logging
import os
import secrets
from pathlib import Path

from studio import disk

log = logging.getLogger(__name__)

FILE = "secret"
LENGTH = 32  # bytes; a longer one serves as well
MOST = 4096


def read(data: Path) -> bytes:
    """The secret in the data folder, made at the first start.

    One that is damaged is set aside and made anew, so everybody logs in once more. ValueError with
    a sentence where neither can be done.
    """
    path = data / FILE
    try:
        if os.path.lexists(path):
            if (held := _held(path)) is not None:
                return held
            aside = disk.set_aside(path)
            log.warning(
                "The secret of the logins is damaged; it is kept as %s, and everybody has to log "
                "in once more.",
                aside,
            )
        made = secrets.token_bytes(LENGTH)
        disk.replace(path, made, mode=0o600)
        return made
    except OSError as error:
        raise ValueError(disk.cannot(path, error, "--data")) from error


def _held(path: Path) -> bytes | None:
    """What the file holds, or None where that is no secret."""
    try:
        if not path.is_file() or not LENGTH <= path.stat().st_size <= MOST:
            return None
        return path.read_bytes()
    except OSError as error:
        log.warning("%s cannot be read: %s", path, disk.reason(error))
        return None
