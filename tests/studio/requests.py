"""What a page or a program sends, by hand."""

import json
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from PIL import Image


def greet(client: httpx.Client) -> None:
    assert client.get("/robots.txt").status_code == 200 and client.cookies


def upload(client: httpx.Client, content: bytes = b"") -> str:
    content = content or uuid.uuid4().bytes
    answer = client.post("/gradio_api/upload", files={"files": ("a.png", content)})
    assert answer.status_code == 200
    return answer.json()[0]


@cache
def number(url: str) -> int:
    """Gradio's number for /paint."""
    functions = httpx.get(f"{url.rstrip('/')}/config").json()["dependencies"]
    return next(each["id"] for each in functions if each["api_name"] == "paint")


def given(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def join(
    client: httpx.Client,
    image: object,
    session: str,
    words: str = "a house",
    paint: int | None = None,  # its number, where it is not told to everybody
) -> httpx.Response:
    data = [image, words, "", 2, 1.0, "default", 7, None, 0.7, 0.0, 1, 1, []]  # as /paint has them
    paint = number(str(client.base_url)) if paint is None else paint
    body = {"data": data, "fn_index": paint, "session_hash": session}
    return client.post("/gradio_api/queue/join", json=body)


def told(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                found.append(json.loads(line[5:]))
                if found[-1]["msg"] == "process_completed":
                    break
    return found


def picture(tmp_path: Path) -> bytes:
    path = tmp_path / f"{uuid.uuid4().hex}.png"
    Image.effect_noise((32, 32), 50).convert("RGB").save(path)
    return path.read_bytes()
