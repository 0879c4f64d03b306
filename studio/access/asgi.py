"""What the parts of the guard say to each other: ASGI's shapes, a request, and a refusal."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API: Final = "/gradio_api/"


class Refused(Exception):
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as far as the guard looks at it."""

    method: str
    path: str
    route: str  # what the rules call it: a path, or what follows /gradio_api/
    headers: dict[str, str]
    query: dict[str, list[str]]

    @classmethod
    def of(cls, scope: Scope) -> "Asked":
        pairs = reversed(scope["headers"])  # of several of a name the first counts, as in Starlette
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        path: str = scope["path"]
        return cls(scope["method"], path, _route(path), headers, query)

    @property
    def reads(self) -> bool:
        return self.method in ("GET", "HEAD")

    @property
    def foreign(self) -> bool:
        """Whether another site made the browser ask. Other ports of localhost are other sites."""
        return self.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _route(path: str) -> str:
    if not path.startswith(API):
        return path
    parts = path[len(API) :].rstrip("/").split("/")
    if parts[0].startswith("file="):
        return "file="
    if parts[0] in ("heartbeat", "run") and len(parts) == 2:
        return parts[0]
    return "/".join(parts)
