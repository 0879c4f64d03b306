"""A model is added from a hub on this machine: fetched, cancelled, gone on with, refused."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import huggingface_hub.constants
import pytest
from diffusers import UNet2DConditionModel

from pipelines import Bundle
from studio.models import hub
from studio.models.hub import Cancelled, Hub
from studio.models.installed import look
from tests.conftest import ROOT
from tests.studio.hub_server import HubServer, hub_server

NAME = "ada/landscapes"
LOADED = """
import sys
from pipelines import Bundle
for name in sys.argv[1:]:
    try:
        print("loaded", Bundle.load(name).name)
    except ValueError as refusal:
        print(refusal)
"""
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "PAUSE", 0.0)
    with hub_server() as server:
        yield server


@pytest.fixture
def model(tmp_path: Path, server: HubServer, toy_model: Callable[..., Path]) -> Path:
    """A model as they lie on the hub: with a checker, pickles, and all in half precision too."""
    folder = toy_model(tmp_path / "remote")
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    for path in list(folder.glob("*/*.safetensors")):
        half = path.with_name(path.name.replace(".safetensors", ".fp16.safetensors"))
        half.write_bytes(path.read_bytes())
        path.with_suffix(".bin").write_bytes(b"\x80\x02}.")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "model.safetensors").write_bytes(bytes(9))
    (folder / "unet" / "run.py").write_text("boom")
    (folder / "whole.safetensors").write_bytes(bytes(9))
    (folder / "studio.json").write_text('{"title": "Landscapes"}')
    (folder / "examples").mkdir()
    (folder / "examples" / "paint.json").write_text("[]")
    server.models[NAME] = folder
    return folder


def adding(server: HubServer, folder: Path, half: bool = False) -> Hub:
    folder.mkdir(exist_ok=True)
    return Hub(folder, half, server.url)


def never() -> bool:
    return False


@pytest.mark.parametrize("half", [False, True])
def test_what_is_loaded_is_fetched_and_nothing_else(
    half: bool, server: HubServer, model: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    home = adding(server, tmp_path / "models", half).fetch(
        NAME, lambda *counts: told.append(counts), never
    )
    assert home == tmp_path / "models" / "ada" / "landscapes"
    names = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    weights = {name for name in names if name.endswith(".safetensors")}
    assert {"examples/paint.json", "studio.json", "tokenizer/tokenizer.json"} <= names
    assert len(weights) == 3 and all((".fp16." in name) == half for name in weights)
    assert not any(name.endswith((".bin", ".py")) or "checker" in name for name in names)
    assert told == sorted(told) and told[-1][0] == told[-1][1]
    kept = sum((home / name).stat().st_size for name in names - {"model_index.json"})
    assert told[-1][1] == kept
    assert not list((tmp_path / "models").glob(".*"))
    assert Bundle.load(home).name == "landscapes"


def loaded(
    names: Sequence[str], server: HubServer, cache: Path, *, offline: bool = False
) -> Sequence[str]:
    """What a process of its own says that loads models by their ids; diffusers' client asks."""
    told = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": str(offline)}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *names],
        env={**os.environ, **told},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_model_is_loaded_by_its_id(server: HubServer, model: Path, tmp_path: Path) -> None:
    """Without checker, pickles and code, and later without a connection."""
    server.models["ada/half"] = shutil.copytree(model, tmp_path / "half")
    for path in (tmp_path / "half").glob("*/*.safetensors"):
        if ".fp16." not in path.name:
            path.unlink()
    other = {"_class_name": "FluxPipeline"}
    server.models["ada/flux"] = shutil.copytree(model, tmp_path / "flux")
    (tmp_path / "flux" / "model_index.json").write_text(json.dumps(other))

    names = [NAME, "ada/half", "ada/flux", "ada/nothing"]
    whole, half, flux, nothing = loaded(names, server, tmp_path / "cache")
    assert (whole, half) == (f"loaded {NAME}", "loaded ada/half")
    assert flux.startswith("ada/flux is a model for FluxPipeline; the studio edits with")
    assert nothing.startswith("ada/nothing could not be loaded as a model: ")
    fetched = [name for name, _ in server.asked]
    weights = [name for name in fetched if name.endswith(".safetensors")]
    assert [".fp16." in name for name in weights] == 3 * [False] + 3 * [True]
    assert not any(name.endswith((".bin", ".py")) or "checker" in name for name in fetched)

    assert loaded([NAME], server, tmp_path / "cache", offline=True) == [f"loaded {NAME}"]
    assert [name for name, _ in server.asked] == fetched


@pytest.mark.parametrize("half", [False, True])
def test_the_index_of_the_other_precision_stays_there(
    half: bool, server: HubServer, model: Path, tmp_path: Path
) -> None:
    """A denoiser in several files beside one in half precision, or the other way round."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    for path in (model / "unet").glob("*.safetensors"):
        if (".fp16." in path.name) != half:
            path.unlink()
    unet.save_pretrained(model / "unet", max_shard_size="100KB", variant=None if half else "fp16")
    assert len(list((model / "unet").glob("*.safetensors.index*.json"))) == 1
    home = adding(server, tmp_path / "models", half).fetch(NAME, lambda *_: None, never)
    weights = [path.name for path in (home / "unet").glob("*.safetensors")]
    assert len(weights) == 1 and (".fp16." in weights[0]) == half
    assert not list((home / "unet").glob("*.index*"))
    assert look(home, "").refusal == ""
    assert Bundle.load(home).name == "landscapes"
    other = adding(server, tmp_path / "others", not half).fetch(NAME, lambda *_: None, never)
    assert len(list((other / "unet").glob("*-of-*.safetensors"))) > 1
    assert look(other, "").refusal == ""
    assert Bundle.load(other).name == "landscapes"


def test_half_precision_alone_is_taken_as_it_is(
    server: HubServer, model: Path, tmp_path: Path
) -> None:
    for path in model.glob("*/*model.safetensors"):
        path.unlink()
    home = adding(server, tmp_path / "models").fetch(NAME, lambda *_: None, never)
    assert (home / "unet" / WEIGHTS.replace(".safe", ".fp16.safe")).is_file()


def test_cancel_ends_it_soon_and_it_goes_on_where_it_was(
    server: HubServer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", hub.httpx2.Timeout(5.0, read=0.2))
    fetching = adding(server, tmp_path / "models")
    server.go.clear()  # no more bytes come, and it has to end all the same
    with pytest.raises(Cancelled):
        fetching.fetch(NAME, lambda *_: None, server.held.is_set)
    server.go.set()
    (part,) = tmp_path.rglob("*.part")
    held = part.stat().st_size
    assert held > 0 and not list((tmp_path / "models").glob("[!.]*"))

    before = len(server.asked)
    told: list[int] = []
    home = fetching.fetch(NAME, lambda done, _: told.append(done), never)
    name = part.name.partition(".safetensors")[0]
    resumed = [start for file, start in server.asked[before:] if name in file]
    assert held in resumed
    files = {file for file, _ in server.asked[:before]}
    finished = files - {file for file, start in server.asked if start}
    assert not finished & {file for file, _ in server.asked[before:]}
    assert (home / "unet" / WEIGHTS).read_bytes() == (model / "unet" / WEIGHTS).read_bytes()


def test_a_connection_that_stalls_is_given_up_and_gone_on_with(
    server: HubServer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", hub.httpx2.Timeout(5.0, read=0.2))
    server.go.clear()

    def wake(_done: int, _total: int) -> None:
        if any(start for _, start in server.asked):  # it has come back for the rest
            server.go.set()

    home = adding(server, tmp_path / "models").fetch(NAME, wake, never)
    assert (home / "unet" / WEIGHTS).read_bytes() == (model / "unet" / WEIGHTS).read_bytes()


def test_what_arrives_changed_is_refused(server: HubServer, model: Path, tmp_path: Path) -> None:
    server.spoil = f"unet/{WEIGHTS}"
    with pytest.raises(ValueError, match=r"did not arrive as it was sent"):
        adding(server, tmp_path / "models").fetch(NAME, lambda *_: None, never)
    server.spoil = ""
    adding(server, tmp_path / "models").fetch(NAME, lambda *_: None, never)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no/such", "The hub has no model called no/such"),
        ("gated/model", "asks for consent"),
        ("odd/model", r"status 503"),
    ],
)
def test_a_refusal_is_one_sentence(name: str, said: str, server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        adding(server, tmp_path / "models").fetch(name, lambda *_: None, never)
    assert str(refused.value).endswith(".")
    assert not list((tmp_path / "models").iterdir())


def test_what_is_no_model_of_ours_is_refused_before_its_weights(
    server: HubServer, model: Path, tmp_path: Path
) -> None:
    for path in model.rglob("vae/*.safetensors"):
        path.unlink()
    with pytest.raises(ValueError, match=r"^The vae of ada/landscapes has no safetensors"):
        adding(server, tmp_path / "models").fetch(NAME, lambda *_: None, never)
    (model / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ValueError, match=r"^ada/landscapes is a model for FluxPipeline"):
        adding(server, tmp_path / "other").fetch(NAME, lambda *_: None, never)
    (model / "model_index.json").unlink()
    with pytest.raises(ValueError, match=r"no model_index\.json"):
        adding(server, tmp_path / "third").fetch(NAME, lambda *_: None, never)
    assert not any(file.endswith(".safetensors") for file, _ in server.asked)


def test_a_file_that_leads_elsewhere_is_not_fetched(
    server: HubServer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = server.info(NAME)
    for name in ("unet/../../../evil.json", "/evil.json", "unet/.evil.json", "../evil.json"):
        info["siblings"].append({"rfilename": name, "size": 3, "blobId": "b" * 40})
    monkeypatch.setattr(server, "info", lambda _: info)
    adding(server, tmp_path / "models").fetch(NAME, lambda *_: None, never)
    assert not any("evil" in file for file, _ in server.asked)


def test_a_full_disk_is_said_before_anything_large(
    server: HubServer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda _: full)
    with pytest.raises(ValueError, match="Make room first"):
        adding(server, tmp_path / "models").fetch(NAME, lambda *_: None, never)


def test_a_hub_that_cannot_be_reached_is_one_sentence(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching = Hub(tmp_path, endpoint="http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"^The hub cannot be reached\."):
        fetching.fetch(NAME, lambda *_: None, never)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"^HF_HUB_OFFLINE is set"):
        fetching.fetch(NAME, lambda *_: None, never)
