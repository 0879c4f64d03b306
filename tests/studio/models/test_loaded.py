"""What a model's folder says, and what a wrong one is told."""

import json
import os
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from studio.models.chosen import OnTop
from studio.models.loaded import Models, pick_device, pick_dtype
from tests import toys


def put(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def models(folder: Path, **named: Any) -> Models:
    return Models(str(folder), "cpu", "float32", **named)


def test_facts_of_a_folder_that_says_nothing(tmp_path: Path) -> None:
    facts = models(tmp_path / "sd-v1.5").facts()
    assert (facts.name, facts.device, facts.size) == ("sd-v1.5", "cpu", 512)
    assert not (facts.defaults or facts.vocabulary or facts.swatches or facts.examples)


def test_facts_of_a_folder_that_says_all(tmp_path: Path) -> None:
    told = {
        "title": "Postcard",
        "size": 256,
        "defaults": {"strength": 0.6},
        "vocabulary": {"Colours": ["red", "blue"]},
        "swatches": ["#3e86d6", ["grass", "#48c038"], "url(evil)", ["x", "y", "z"], 7],
    }
    put(tmp_path, "studio.json", told)
    facts = models(tmp_path).facts()
    assert (facts.name, facts.size, facts.defaults) == ("Postcard", 256, {"strength": 0.6})
    assert facts.vocabulary == {"Colours": ["red", "blue"]}
    assert facts.swatches == [("#3e86d6", "#3e86d6"), ("grass", "#48c038")]


def test_each_tab_has_the_examples_whose_files_are_all_there(tmp_path: Path) -> None:
    put(tmp_path, "examples/barn.png", "picture")
    put(tmp_path, "examples/barn-mask.png", "mask")
    put(tmp_path, "secret.png", "picture")
    listed = [
        {"name": "Barn", "image": "barn.png", "prompt": "a barn"},
        {"name": "Masked", "image": "barn.png", "mask": "barn-mask.png"},
        {"name": "Gone", "image": "gone.png"},
        {"name": "Half", "image": "barn.png", "mask": "gone.png"},
        {"name": "Odd", "image": "barn.png", "mask": 7},
        {"name": "Elsewhere", "image": "../secret.png"},
        {"name": "Anywhere", "image": str(tmp_path / "secret.png")},
        {"name": "None"},
        {"image": "barn.png"},
        {"name": 7, "image": "barn.png"},
        "no example",
    ]
    put(tmp_path, "examples/replace.json", listed)
    put(tmp_path, "examples/paint.json", "{")
    examples = models(tmp_path).facts().examples
    assert [each["name"] for each in examples["replace"]] == ["Barn", "Masked"]
    assert Path(examples["replace"][1]["mask"]) == (tmp_path / "examples/barn-mask.png").resolve()
    assert examples["paint"] == [] and "compare" not in examples


def test_no_link_leads_out_of_a_models_examples(tmp_path: Path) -> None:
    """By a file, by a folder, by a chain, by the examples' own folder, or by their list."""
    folder, out = tmp_path / "model", tmp_path / "out"
    put(out, "secret.png", "picture")
    put(out, "list.json", [{"name": "A", "image": "own.png"}])
    put(folder, "examples/own.png", "picture")
    own = folder / "examples"
    (own / "file.png").symlink_to(out / "secret.png")
    (own / "relative.png").symlink_to("../../out/secret.png")
    (own / "chain.png").symlink_to("file.png")
    (own / "below").symlink_to(out)
    (own / "loop.png").symlink_to("loop.png")
    (own / "same.png").symlink_to("own.png")
    (own / "compare.json").symlink_to(out / "list.json")
    os.mkfifo(own / "pipe.png")
    names = ["own.png", "same.png", "file.png", "relative.png", "chain.png", "below/secret.png"]
    names += ["loop.png", "pipe.png", "\0", "x" * 5000, "below/../own.png"]
    put(folder, "examples/paint.json", [{"name": name, "image": name} for name in names])
    masked = [{"name": "a", "image": "own.png", "mask": name} for name in names]
    put(folder, "examples/replace.json", masked)
    examples = models(folder).facts().examples
    assert [each["name"] for each in examples["paint"]] == ["own.png", "same.png"]
    assert len(examples["replace"]) == 2 and "compare" not in examples
    linked = tmp_path / "other"
    linked.mkdir()
    (linked / "examples").symlink_to(own)
    assert models(linked).facts().examples == {}


def test_a_snapshot_of_the_hubs_cache_shows_its_own_links(tmp_path: Path) -> None:
    repository = tmp_path / "models--ada--land"
    folder = repository / "snapshots" / "abc"
    put(repository, "blobs/1", "picture")
    put(repository, "blobs/2", [{"name": "a", "image": "a.png"}, {"name": "b", "image": "b.png"}])
    put(tmp_path, "secret.png", "picture")
    (folder / "examples").mkdir(parents=True)
    for name, target in (
        ("a.png", "blobs/1"),
        ("paint.json", "blobs/2"),
        ("b.png", "../secret.png"),
    ):
        (folder / "examples" / name).symlink_to(f"../../../{target}")
    examples = models(folder).facts().examples
    assert [each["name"] for each in examples["paint"]] == ["a"]
    (repository / "blobs").rename(tmp_path / "elsewhere")
    (repository / "blobs").symlink_to(tmp_path / "elsewhere")
    assert models(folder).facts().examples == {}


def test_defaults_are_for_all_tabs_or_for_one(tmp_path: Path) -> None:
    told = {"num_inference_steps": 20, "strength": 1.0, "paint": {"strength": 0.6}}
    put(tmp_path, "studio.json", {"defaults": told})
    facts = models(tmp_path).facts()
    assert facts.defaults_for("paint") == {"num_inference_steps": 20, "strength": 0.6}
    assert facts.defaults_for("replace") == {"num_inference_steps": 20, "strength": 1.0}


@pytest.mark.parametrize("content", ["{", "[]", '"text"', "\x00", '{"swatches": 3, "examples": 1}'])
def test_a_face_that_cannot_be_read_is_no_face(content: str, tmp_path: Path) -> None:
    put(tmp_path, "studio.json", content)
    facts = models(tmp_path).facts()
    assert facts.size == 512 and not facts.swatches


@pytest.mark.parametrize("key", ["block_out_channels", "encoder_block_out_channels"])
def test_the_size_is_read_from_the_networks(key: str, tmp_path: Path) -> None:
    put(tmp_path, "unet/config.json", {"sample_size": 96})
    put(tmp_path, "vae/config.json", {key: [32, 32, 32, 32]})
    assert models(tmp_path).facts().size == 768


def test_the_networks_are_loaded_once(tmp_path: Path) -> None:
    loads: list[Any] = []

    def load(source: str, **named: Any) -> Any:
        loads.append((source, named))
        return object()

    held = models(tmp_path, load=load)
    assert held.loaded is None
    first = held.bundle()
    assert held.bundle() is first is held.loaded
    given = {"device": "cpu", "dtype": torch.float32, "loras": {}, "embeddings": ()}
    assert loads == [(str(tmp_path), given)]


class Loader:
    """Loads a model as the name it was asked for; "broken" cannot be loaded."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.warmed: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def load(self, source: str, **_: Any) -> Any:
        self.loads.append(source)
        self.asked.set()
        assert self.gate.wait(10)
        if source == "broken":
            raise ValueError("broken could not be loaded.")
        return f"networks of {source}"

    def models(self) -> Models:
        return Models("first", "cpu", "float32", load=self.load, warm=self.warmed.append)


def test_another_model_is_chosen() -> None:
    loader = Loader()
    held = loader.models()
    held.choose("first")
    held.choose("second")
    assert held.bundle() == held.loaded == "networks of second"
    assert (held.source, held.facts().name) == ("second", "second")
    assert loader.warmed == ["networks of first", "networks of second"]
    held.choose("second")
    assert loader.loads == ["first", "second"]  # the one that serves is not loaded again


def test_every_model_is_compiled_where_that_is_wanted() -> None:
    class Loaded:
        def __init__(self, source: str) -> None:
            self.name = source

        def compile(self) -> str:
            return f"{self.name}, compiled"

    def load(source: str, **_: Any) -> Any:
        return Loaded(source)

    held = Models("first", "cpu", "float32", load, warm=lambda _bundle: None, compiles=True)
    assert held.bundle() == "first, compiled"
    held.choose("second")
    assert held.bundle() == "second, compiled"


def test_the_same_model_is_chosen_with_something_else_on_top() -> None:
    loads: list[Any] = []

    def load(source: str, loras: Any, embeddings: Any, **_: Any) -> Any:
        loads.append((source, loras, embeddings))
        return f"networks {len(loads)}"

    first, second = OnTop((("/a/style.safetensors", 0.5),)), OnTop((), ("/a/barn.safetensors",))
    held = Models("first", "cpu", "float32", load, lambda _: None, on_top=first)
    held.bundle()
    held.choose("first", first)
    held.choose("first", second)
    held.choose("first")
    assert loads == [
        ("first", {"/a/style.safetensors": 0.5}, ()),
        ("first", {}, ("/a/barn.safetensors",)),
        ("first", {}, ()),
    ]
    assert held.bundle() == "networks 3" and not held.on_top


def test_a_model_that_fails_leaves_the_former_one_serving() -> None:
    loader = Loader()
    held = loader.models()
    held.choose("first")
    with pytest.raises(ValueError, match=r"^broken could not be loaded\.$"):
        held.choose("broken")
    assert held.bundle() == held.loaded == "networks of first"
    assert (held.source, held.facts().name) == ("first", "first")
    assert loader.loads == ["first", "broken"]


def test_a_model_that_cannot_be_warmed_is_not_served() -> None:
    loader = Loader()

    def warm(bundle: Any) -> None:
        if bundle == "networks of second":
            raise RuntimeError("no memory")

    held = Models("first", "cpu", "float32", load=loader.load, warm=warm)
    held.choose("first")
    with pytest.raises(RuntimeError):
        held.choose("second")
    assert (held.source, held.bundle()) == ("first", "networks of first")


@pytest.mark.parametrize("fits", [True, False])
def test_where_there_is_no_room_for_two_the_former_makes_room(fits: bool) -> None:
    """And comes back where the other one has no room for itself either. Not during a run."""
    places = {"first": "gpu"}

    class Large:
        def __init__(self, name: str) -> None:
            self.name = name

        def to(self, place: str) -> None:
            assert held.working.locked()
            places[self.name] = place

    def load(source: str, **_: Any) -> Any:
        if source == "second" and (not fits or places["first"] == "gpu"):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Large(source)

    held = Models("first", "cpu", "float32", load, warm=lambda _: None)
    held.device = "gpu"
    held.bundle()
    if fits:
        held.choose("second")
    else:
        with pytest.raises(torch.OutOfMemoryError):
            held.choose("second")
    assert held.source == held.bundle().name == ("second" if fits else "first")
    assert places == {"first": "cpu" if fits else "gpu"}


def test_the_former_model_serves_while_another_loads() -> None:
    loader = Loader()
    held = loader.models()
    held.choose("first")
    loader.gate.clear()
    loader.asked.clear()
    choosing = threading.Thread(target=held.choose, args=("second",))
    choosing.start()
    assert loader.asked.wait(10)
    assert held.bundle() == "networks of first"
    assert held.facts().name == "first"
    loader.gate.set()
    choosing.join(10)
    assert held.bundle() == "networks of second"


def test_a_few_step_model_sets_its_own_defaults(tmp_path: Path) -> None:
    few = {"scheduler": "euler_ancestral", "num_inference_steps": 4, "guidance_scale": 1.0}
    folder = tmp_path / "sd-turbo"
    assert models(folder).facts().defaults == few
    put(folder, "studio.json", {"defaults": {"num_inference_steps": 2, "strength": 0.5}})
    assert models(folder).facts().defaults == {**few, "num_inference_steps": 2, "strength": 0.5}
    put(tmp_path, "plain/scheduler/scheduler_config.json", {"_class_name": "LCMScheduler"})
    assert models(tmp_path / "plain").facts().defaults["scheduler"] == "lcm"


def test_a_few_step_lora_sets_the_defaults(tmp_path: Path) -> None:
    """Also over those of the model's folder, which were chosen without it."""
    put(tmp_path, "studio.json", {"defaults": {"num_inference_steps": 30, "strength": 0.5}})
    path = "/loras/lcm-lora-sdxl/pytorch_lora_weights.safetensors"
    lcm = Models(str(tmp_path), "cpu", on_top=OnTop(((path, 1.0),))).facts()
    few = {"scheduler": "lcm", "num_inference_steps": 4, "guidance_scale": 1.0}
    assert lcm.defaults == {**few, "strength": 0.5} and lcm.live
    assert lcm.on_top == ["lcm-lora-sdxl × 1"]
    style = Models(str(tmp_path), "cpu", on_top=OnTop((("/loras/style.safetensors", 1.0),))).facts()
    assert style.defaults == {"num_inference_steps": 30, "strength": 0.5} and not style.live


def test_the_size_of_one_file_is_read_from_its_header(tmp_path: Path) -> None:
    def file(name: str, *tensors: str) -> Models:
        unet = "model.diffusion_model.input_blocks.0.0.weight"
        held = {name: torch.zeros(1) for name in (*tensors, "first_stage_model.x")}
        save_file({**held, unet: torch.zeros(8, 4, 3, 3)}, tmp_path / f"{name}.safetensors")
        return models(tmp_path / f"{name}.safetensors")

    assert file("a", "cond_stage_model.transformer.x").facts().size == 512
    assert file("b", "cond_stage_model.model.x").facts().size == 512
    assert file("v2-1_768", "cond_stage_model.model.x").facts().size == 768
    assert file("c", "conditioner.embedders.1.model.x").facts().size == 1024
    assert file("sd_xl_turbo_1.0", "conditioner.embedders.1.model.x").facts().size == 512
    assert file("dreamsXL_turbo", "conditioner.embedders.1.model.x").facts().size == 1024
    assert file("d", "emb_params").facts().size == 512
    assert file("c", "conditioner.embedders.1.model.x").facts().name == "c"


@pytest.mark.parametrize(
    "device", ["cuda:99", "mps" if not torch.backends.mps.is_available() else "cuda:98", "gpu"]
)
def test_a_device_that_is_not_there_is_a_sentence(device: str) -> None:
    with pytest.raises(ValueError, match=device):
        pick_device(device)


def test_the_device_and_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_dtype("float16", "cpu") == torch.float16
    able = {"avx512_bf16": False, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert pick_dtype("auto", "cpu") == torch.float32
    able["avx512_bf16"] = True
    assert pick_dtype("auto", "cpu") == torch.bfloat16
    assert pick_dtype("auto", "mps") == torch.float16


@pytest.mark.parametrize(("native", "wanted"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_that_only_emulates_bfloat16_takes_float16(
    native: bool, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def device(name: str) -> nullcontext[None]:
        asked.append(name)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: native or including_emulation,
    )
    assert pick_dtype("auto", "cuda:1") == wanted
    assert asked == ["cuda:1"]


def test_previews_are_drawn_by_a_taesd_of_the_models_folder(tmp_path: Path) -> None:
    """One that is of the same family; a model's own comes first."""
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "models" / "ada")
    save_tiny(tmp_path / "models" / "taesdxl")

    def sketched() -> Path | None:
        models = Models(str(tmp_path / "models" / "ada"), "cpu", folder=tmp_path / "models")
        return models.bundle().sketcher_folder

    assert sketched() is None
    save_tiny(tmp_path / "models" / "taesd")
    assert sketched() == tmp_path / "models" / "taesd"
    save_tiny(tmp_path / "models" / "ada" / "taesd")
    assert sketched() == tmp_path / "models" / "ada" / "taesd"


def save_tiny(folder: Path) -> None:
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    cast("Any", tiny).save_pretrained(folder)
