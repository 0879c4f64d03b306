"""/paint as a program uses it: gradio_client against the whole studio."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from pipelines.pictures import NO_PICTURE
from pipelines.request import Picture, Request, hints
from studio import endpoint as module
from studio.catalog import Entry, entries
from studio.endpoint import endpoint
from studio.runs.engine import Engine
from studio.runs.history import History
from studio.runs.jobs import Jobs
from studio.service import Service
from tests.picture_files import bomb
from tests.studio import pretend
from tests.studio.conftest import LONG, NO_TLS, Live

Ordered = Callable[..., Any]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "strokes.png"
    Image.effect_noise((32, 32), 40).convert("RGB").save(path)
    return str(path)


def connect(live: Live, downloads: Path, **named: Any) -> Client:
    return Client(
        live.url,
        verbose=False,
        analytics_enabled=False,
        download_files=downloads,
        ssl_verify=NO_TLS,
        httpx_kwargs={"timeout": 60},
        **named,
    )


@pytest.fixture(scope="session")
def client(live: Live) -> Iterator[Client]:
    client = connect(live, live.data / "downloads")
    yield client
    client.close()


def refusal(client: Client, api_name: str = "/paint", **named: Any) -> str:
    with pytest.raises(AppError) as refused:
        client.predict(api_name=api_name, **named)
    return str(refused.value)


def test_it_streams_and_ends_with_files(client: Client, picture: str, live: Live) -> None:
    job = client.submit(
        handle_file(picture), prompt="a house", seed=5, num_images=3, api_name="/paint"
    )
    told: list[Any] = list(job)
    assert {each["status"] for each in told} <= {"waiting", "step", "finished"}
    last = told[-1]
    assert last["status"] == "finished" and last["seeds"] == [5, 6, 7]
    assert len(last["images"]) == 3
    for path in last["images"]:
        assert Path(path).is_relative_to(live.data / "downloads")
        with Image.open(path) as image:
            assert image.size == (16, 16) and "parameters" in image.info


def test_each_tab_has_a_named_endpoint_and_its_arguments_have_names_and_defaults(
    client: Client,
) -> None:
    api = client.view_api(return_format="dict")
    assert isinstance(api, dict)
    assert list(api["named_endpoints"]) == ["/paint", "/replace", "/compare"]
    arguments = {
        each["parameter_name"]: each for each in api["named_endpoints"]["/paint"]["parameters"]
    }
    assert not arguments.pop("image")["parameter_has_default"]
    assert all(each["parameter_has_default"] for each in arguments.values())
    assert set(arguments) >= {
        "prompt", "negative_prompt", "strength", "num_inference_steps", "guidance_scale",
        "scheduler", "seed", "num_images", "mask_image", "eta", "repeats",
    }  # fmt: skip
    assert not api["unnamed_endpoints"], "the page's own events are private"


def test_replace_takes_a_mask_or_a_wider_frame_and_says_when_there_is_neither(
    client: Client, picture: str, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (32, 32), 255).save(mask)
    given: dict[str, Any] = {"prompt": "a house", "seed": 5, "api_name": "/replace"}
    for wider in ({"mask_image": handle_file(str(mask))}, {"left": 8}):
        told = client.predict(handle_file(picture), num_images=2, **wider, **given)
        assert told["status"] == "finished" and told["seeds"] == [5, 6]
    with pytest.raises(AppError, match="paint a mask, or extend the frame"):
        client.predict(handle_file(picture), **given)
    with pytest.raises(AppError, match="Feather must lie between 0 and 64"):
        client.predict(handle_file(picture), left=8, feather=65, **given)


def test_without_a_seed_every_run_has_another(client: Client, picture: str) -> None:
    seeds = {client.predict(handle_file(picture), api_name="/paint")["seeds"][0] for _ in range(2)}
    assert len(seeds) == 2


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("strength", 7, "Strength must lie between 0 and 1"),
        ("strength", True, "Strength must be a number"),
        ("strength", "high", "Strength must be a number"),
        ("num_inference_steps", 2.5, "Steps must be a whole number"),
        ("num_inference_steps", 2**63 - 1, "Steps is far too large"),  # of larger ones: test_calls
        ("guidance_scale", [1], "Guidance must be a number"),
        ("seed", -1, "Seed must lie between"),
        ("seed", 2**32, "Seed must lie between"),
        ("num_images", 0, "Pictures must lie between"),
        ("scheduler", "magic", "Scheduler must be one of"),
        ("scheduler", {"a": 1}, "Scheduler must be one of"),
        ("prompt", "x" * 2001, "2001 characters are too many"),
        ("prompt", 7, "Words must be text"),
        ("prompt", "fail", "The words are too odd."),
    ],
)
def test_bad_values_are_one_sentence(
    client: Client, picture: str, name: str, value: object, sentence: str
) -> None:
    given: dict[str, Any] = {name: value}
    assert sentence in refusal(client, image=handle_file(picture), **given)


def test_bad_pictures_are_one_sentence(client: Client, picture: str, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    assert NO_PICTURE in refusal(client, image=handle_file(str(text)))
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(dot)
    assert "1×1 pixels" in refusal(client, image=handle_file(str(dot)))
    mask = tmp_path / "mask.png"
    Image.new("L", (31, 32)).save(mask)
    mismatch = refusal(client, image=handle_file(picture), mask_image=handle_file(str(mask)))
    assert "31×32" in mismatch and "one size" in mismatch
    assert "Upload the picture" in refusal(client, image=None)


def test_compare_takes_edits_as_dictionaries(client: Client, picture: str) -> None:
    edits = [{"prompt": "a tower", "weights": {"tower": 1.5}}, {"prompt": "a boat"}]
    last = client.predict("a house", edits, seed=5, api_name="/compare")
    assert last["status"] == "finished" and len(last["images"]) == 3 and last["views"] == {}
    file, given = handle_file(picture), {"prompt": "a house", "edits": edits}
    asked: dict[str, Any] = {**given, "image": file, "mask_image": file}
    last = client.predict(**asked, api_name="/compare")
    assert last["status"] == "finished"
    del asked["image"]
    last = client.predict(**asked, api_name="/compare")
    assert last["status"] == "finished", "a mask may lie on what the seed draws"


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ([], "Add an edit"),
        ([{"prompt": "a"}] * 9, "At most 8 edits run at once, not 9"),
        (["a tower"], "Edit 1 must be a dictionary"),
        ([{"prompt": "a", "weights": {"a": 2**63 - 1}}], "must lie between"),
        ([{"prompt": "a", "speed": 1}], "but not 'speed'"),
    ],
)
def test_bad_edits_are_one_sentence(client: Client, edits: Any, sentence: str) -> None:
    assert sentence in refusal(client, "/compare", prompt="a house", edits=edits)


def test_cancelling_frees_the_device(live: Live, client: Client, picture: str) -> None:
    job = client.submit(handle_file(picture), prompt="long", api_name="/paint")
    end = time.monotonic() + 60
    told: list[Any] = []
    while not any(each["status"] == "step" for each in told):
        assert time.monotonic() < end
        time.sleep(0.01)
        told = job.outputs()
    assert told[-1]["total"] == LONG
    job.cancel()
    last = client.predict(handle_file(picture), api_name="/paint")
    assert last["status"] == "finished", "the next one runs, long before 20,000 steps are over"


def test_with_a_login(locked: Live, picture: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"401|credentials"):
        connect(locked, tmp_path)
    client = connect(locked, tmp_path, auth=("ada", "day"))
    assert client.predict(handle_file(picture), api_name="/paint")["status"] == "finished"
    client.close()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_its_arguments_are_what_the_method_takes_and_the_page_begins_with(entry: Entry) -> None:
    service: Any = None  # nothing is run
    defaults = {"num_inference_steps": 7, "strength": 0.25}
    verb = endpoint(service, entry.request, defaults)
    arguments = dict(signature(verb).parameters)
    arguments.pop("request")
    assert set(arguments) == set(hints(entry.request))
    needed = [name for name, each in arguments.items() if each.default is Parameter.empty]
    assert needed == list(arguments)[: len(needed)]
    assert needed == {"Compare": ["prompt", "edits"]}.get(entry.name, ["image"])
    assert arguments["num_inference_steps"].default == 7
    assert arguments["seed"].default is None
    if "strength" in arguments:
        assert arguments["strength"].default == 0.25
    assert all(f"    {name}: " in str(verb.__doc__) for name in arguments)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plain(Request):
    """A method without a picture or a mask."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn(Request):
    """A method with a picture and no mask."""

    image: Annotated[Image.Image | None, Picture("Picture", required=True)] = None


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ordered]:
    """Calls an endpoint of a toy method with null for what is not named: the request that ran."""
    history, jobs = History(tmp_path / "data"), Jobs()
    jobs.open()
    monkeypatch.setattr(module, "get_upload_folder", lambda: str(tmp_path))
    models = pretend.models(tmp_path)

    def call(request_type: type[Request], **named: Any) -> Any:
        requests: list[Request] = []

        def method(bundle: Any, request: Request) -> Any:
            requests.append(request)
            return pretend.steps(1)(bundle, request)

        engine = Engine(models, history, [tmp_path])
        service = Service("Toy", request_type, method, jobs, engine, history, models, tmp_path)
        verb = endpoint(service, request_type, {"num_inference_steps": 20})
        names = [name for name in signature(verb).parameters if name != "request"]

        async def told() -> list[Any]:
            given = [named.pop(name, None) for name in names]
            return [each async for each in verb(SimpleNamespace(username="ada"), *given)]

        last = asyncio.run(told())[-1]
        assert last["status"] == "finished" and not named
        return requests[-1]

    yield call
    jobs.close()
    history.close()


def test_a_method_without_pictures_has_an_endpoint(ordered: Ordered) -> None:
    request = ordered(Plain, prompt="a house", seed=3)
    assert (request.prompt, request.seed) == ("a house", 3)


def test_a_method_without_a_mask_has_an_endpoint(ordered: Ordered, picture: str) -> None:
    request = ordered(Drawn, image={"path": picture})
    assert request.image.size == (32, 32)


def test_null_means_the_default_that_is_announced(ordered: Ordered) -> None:
    request = ordered(Plain, prompt="a house")
    assert request.num_inference_steps == 20
    assert (request.guidance_scale, request.scheduler) == (7.5, "default")


def test_a_picture_of_too_many_pixels_is_refused(ordered: Ordered, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(8001, 8000))
    with pytest.raises(gr.Error, match="64 million is the most"):
        ordered(Drawn, image={"path": str(path)})
