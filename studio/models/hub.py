"""Adding a model of the hub to the models folder, because a person asked for it by its id.

Only what is loaded is fetched: the parts that `model_index.json` names, their safetensors and small
text files. The bytes are kept as they come, in a hidden folder beside the models, so that one that
was cancelled or broke off goes on where it was; only a whole model is moved to where it is listed.
(huggingface_hub 2.4 has no such way: `snapshot_download` throws a file away that was not finished,
and can be stopped only with the process.)
"""

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from huggingface_hub import HfApi, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import build_hf_headers

from pipelines.networks import checkpoint
from studio.models.installed import INDEX, NETWORKS, size_of

log = logging.getLogger(__name__)

Tell = Callable[[int, int], object]  # bytes so far, of all

TIMEOUT: Final = httpx2.Timeout(10.0, read=3.0)  # seconds; a silent hub is left after them
TRIES: Final = 5  # in a row that bring no byte
PAUSE: Final = 1.0  # seconds between them

ID: Final = re.compile(r"[a-zA-Z0-9][\w.-]{0,95}/[a-zA-Z0-9_][\w.-]{0,95}", re.ASCII)
_FILE: Final = re.compile(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+){0,2}", re.ASCII)
_WEIGHTS: Final = r"(diffusion_pytorch_)?model{}(-\d+-of-\d+)?\.safetensors"
_PLAIN, _HALF = (re.compile(_WEIGHTS.format(each)) for each in ("", r"\.fp16"))
_OWN: Final = ("examples", "fast", "ranker")  # what else may belong to a model
_OWN_KINDS: Final = (".json", ".txt", ".safetensors", ".png", ".jpg")

UNREACHABLE: Final = (
    "The hub cannot be reached. Look at the connection, then add the model again: "
    "what has arrived is kept."
)
OFFLINE: Final = "HF_HUB_OFFLINE is set, so nothing is fetched. Start the studio without it."
DAMAGED: Final = "{} did not arrive as it was sent. Add the model again."
NO_ROOM: Final = "The model needs {:.1f} GB, and the disk has {:.1f} GB left. Make room first."


class Cancelled(Exception):
    """Somebody pressed Cancel."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of a model on the hub."""

    name: str  # relative to the model's folder
    size: int  # bytes
    mark: str  # changes with its content
    sha256: str | None  # of large files


class Hub:
    """Fetches models into `folder`; in half precision if `half` asks for it and there is such."""

    def __init__(self, folder: Path, half: bool = False, endpoint: str | None = None) -> None:
        self._folder = folder
        self._half = half
        self._endpoint = endpoint

    def fetch(self, name: str, tell: Tell, cancelled: Callable[[], bool]) -> Path:
        """The folder of the model with this id ("owner/name"), once it is whole.

        ValueError with a sentence where it cannot be had, Cancelled where that was asked for; what
        has arrived is kept for the next time.
        """
        try:
            return self._fetch(name, tell, cancelled)
        except OfflineModeIsEnabled:
            raise ValueError(OFFLINE) from None
        except GatedRepoError:
            raise ValueError(
                f"{name} asks for consent. Give it on the model's page at the hub, log in with "
                "`hf auth login`, then add it again."
            ) from None
        except (RepositoryNotFoundError, HFValidationError):
            raise ValueError(
                f"The hub has no model called {name}, or it is private. Look at its id."
            ) from None
        except HfHubHTTPError as error:
            status = error.response.status_code
            raise ValueError(
                f"The hub refused {name} (status {status}). Try again later."
            ) from error
        except httpx2.HTTPError as error:
            raise ValueError(UNREACHABLE) from error
        except OSError as error:
            raise ValueError(f"{name} could not be kept: {error.strerror}.") from error

    def _fetch(self, name: str, tell: Tell, cancelled: Callable[[], bool]) -> Path:
        info = HfApi(endpoint=self._endpoint).model_info(name, files_metadata=True, timeout=10)
        commit = str(info.sha)
        listing = {each.name: each for each in map(_remote, info.siblings or ())}
        if INDEX not in listing:
            raise ValueError(f"{name} is no diffusers model: it has no {INDEX}.")
        start = f".{name.replace('/', '--')}--"
        partial = self._folder / f"{start}{commit[:12]}"
        for stale in self._folder.glob(f"{start}*"):
            if stale != partial:
                shutil.rmtree(stale)

        def load(file: Remote, advance: Callable[[int], object]) -> None:
            url = hf_hub_url(name, file.name, revision=commit, endpoint=self._endpoint)
            _load(url, file, partial / file.name, advance, cancelled)

        load(listing[INDEX], lambda _: None)
        index = _checked(partial, name)
        files = _wanted(
            index, [each for each in listing.values() if each.name != INDEX], self._half
        )
        _check_networks(index, files, name)
        done, total = 0, sum(each.size for each in files)
        room = shutil.disk_usage(self._folder).free + size_of(partial)
        if total > room:
            raise ValueError(NO_ROOM.format(total / 1e9, room / 1e9))
        for file in files:
            load(file, lambda held, before=done: tell(before + held, total))
            done += file.size
        home = self._folder / name
        if home.exists():
            shutil.rmtree(home)  # an older state, or one that is not all there
        home.parent.mkdir(parents=True, exist_ok=True)
        return partial.rename(home)


def _remote(told: Any) -> Remote:
    sha256 = told.lfs.sha256 if told.lfs is not None else None
    return Remote(told.rfilename, told.size or 0, str(told.blob_id or sha256), sha256)


def _checked(partial: Path, name: str) -> dict[str, Any]:
    """The model's index; ValueError before the large files where it is not one of ours."""
    try:
        return dict(checkpoint.check_folder(partial))
    except ValueError as refusal:
        raise ValueError(str(refusal).replace(partial.name, name)) from None


def _wanted(index: dict[str, Any], listing: Sequence[Remote], half: bool) -> Sequence[Remote]:
    """The files that loading needs; the weights plain, or in half precision, never both."""
    parts = {part for part, home in index.items() if isinstance(home, list)}
    parts -= {*checkpoint.UNUSED}
    names = {each.name for each in listing}
    only_half = not any(_is_weights(each, "unet", _PLAIN) for each in names)
    half = half or only_half

    def needed(path: str) -> bool:
        part, _, name = path.partition("/")
        if part in _OWN:
            return name.endswith(_OWN_KINDS)
        return path == "studio.json" or (part in parts and _kept(part, name, half, names))

    return [each for each in listing if _FILE.fullmatch(each.name) and needed(each.name)]


def _kept(part: str, name: str, half: bool, names: set[str]) -> bool:
    """Whether a file of a part is needed: its weights in one precision, and all small text."""
    halved = half and any(_is_weights(each, part, _HALF) for each in names)
    if name.endswith((".json", ".txt")):
        of_others = ".index." in name and (".fp16." in name) != halved
        return "/" not in name and not of_others
    return (_HALF if halved else _PLAIN).fullmatch(name) is not None


def _is_weights(path: str, part: str, pattern: re.Pattern[str]) -> bool:
    folder, _, name = path.partition("/")
    return folder == part and pattern.fullmatch(name) is not None


def _check_networks(index: dict[str, Any], files: Sequence[Remote], name: str) -> None:
    weights = {each.name.partition("/")[0] for each in files if each.name.endswith(".safetensors")}
    for part in NETWORKS:
        home = index.get(part)
        if isinstance(home, list) and home[:1] != [None] and part not in weights:
            raise ValueError(
                f"The {part} of {name} has no safetensors weights; only those are fetched."
            )


def _load(
    url: str,
    file: Remote,
    path: Path,
    advance: Callable[[int], object],
    cancelled: Callable[[], bool],
) -> None:
    """One file, from where it stopped; `advance` is told how many of its bytes are there."""
    if path.is_file():
        advance(file.size)
        return
    part = path.with_name(f"{path.name}.{file.mark[:12]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    failures = 0
    while (held := part.stat().st_size) < file.size:
        try:
            for count in _stream(url, part, held):
                advance(count)
                if cancelled():
                    raise Cancelled
        except httpx2.TransportError as error:
            log.info("%s broke off: %s", url, error)
        failures = failures + 1 if part.stat().st_size == held else 0
        if failures == TRIES:
            raise ValueError(UNREACHABLE)
        if cancelled():
            raise Cancelled
        time.sleep(PAUSE if failures else 0)
    if part.stat().st_size != file.size or _differs(part, file.sha256):
        part.unlink()
        raise ValueError(DAMAGED.format(file.name))
    part.rename(path)


def _stream(url: str, part: Path, held: int) -> Iterator[int]:
    """Append what the server has beyond `held` bytes; yields how many are there by then."""
    headers = {**build_hf_headers(), "accept-encoding": "identity"}
    if held:
        headers["range"] = f"bytes={held}-"
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
        if response.is_error:
            response.read()
        hf_raise_for_status(response)
        held = held if response.status_code == 206 else 0
        with part.open("ab") as out:
            out.truncate(held)
            for chunk in response.iter_bytes():
                held += out.write(chunk)
                yield held


def _differs(path: Path, sha256: str | None) -> bool:
    if sha256 is None:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() != sha256
