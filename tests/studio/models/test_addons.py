"""LoRAs and words on top of the model that serves: known by headers, and what the library loads."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from components.contract.installed import AddOn, Offer, Progress
from pipelines import Bundle, SDEdit, drain, sdedit
from studio.models.choosing import Choice
from studio.models.chosen import NOTHING, OnTop
from studio.models.hub import Hub
from studio.models.installed import Installed
from studio.models.loaded import Models
from tests import single_files
from tests.addons import lora, lora_of_width, saved, word
from tests.conftest import POSTCARD

# --- by headers ----------------------------------------------------------------------------------


def offered(tmp_path: Path, model: Path) -> dict[str, str]:
    """Name → why it does not fit, or ""."""
    found = Installed(POSTCARD, tmp_path / "models", tmp_path / "cache").add_ons(model)
    assert all(each.size == Path(each.source).stat().st_size for each in found)
    return {each.name: each.refusal for each in found}


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A LoRA and a word of each family, in the models folder of `tmp_path`."""
    models = tmp_path / "models"
    for family, width in (("postcard", 128), ("one", 768), ("two", 1024), ("xl", 2048)):
        lora_of_width(models / family / f"lora-{family}.safetensors", width)
    for family, width in (("postcard", 128), ("one", 768), ("two", 1024)):
        word(models / f"word-{family}.safetensors", width)
    both = {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)}
    saved(models / "word-xl.safetensors", both)
    saved(models / "silent.safetensors", {"lora_te_x.w_norm": torch.zeros(1)})
    (models / "cut.safetensors").write_bytes(bytes(20))
    (models / "notes.txt").write_text("no add-on")
    return tmp_path


@pytest.mark.parametrize(
    ("model", "family"), [("postcard", "postcard"), ("sd1", "one"), ("sd2", "two"), ("sdxl", "xl")]
)
def test_what_fits_is_known_by_headers(model: str, family: str, several: Path) -> None:
    path = POSTCARD
    if model != "postcard":
        path = several / "any.safetensors"
        single_files.write(path, model, single_files.small_configs(several / "configs"))
    told = offered(several, path)
    assert len(told) == 9
    fits = {name for name, refusal in told.items() if not refusal}
    assert fits == {f"lora-{family}", f"word-{family}", "silent"}
    assert all(not refusal or refusal.endswith(".") for refusal in told.values())


def test_the_sentence_names_both_families(several: Path, toy_model: Callable[..., Path]) -> None:
    model = toy_model(several / "any", cross_attention_dim=768)
    told = offered(several, model)["lora-xl"]
    assert told.endswith("is a LoRA for Stable Diffusion XL, but the model is Stable Diffusion 1.")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"cross_attention_dim": [768, 1024]}'])
def test_what_the_configuration_does_not_say_loading_will(
    content: str, several: Path, toy_model: Callable[..., Path]
) -> None:
    model = toy_model(several / "odd")
    for part in ("unet", "text_encoder"):
        (model / part / "config.json").write_text(content)
    assert not any(offered(several, model).values())
    assert not any(offered(several, several / "nowhere").values())


def test_what_can_never_be_added_is_refused(tmp_path: Path) -> None:
    models = tmp_path / "models"
    saved(models / "a.safetensors", {"lora_unet_x.oft_blocks": torch.zeros(1)})
    saved(models / "b.safetensors", {"transformer.x.lora_A.weight": torch.zeros(1)})
    told = offered(tmp_path, POSTCARD)
    assert told["a"] == "a.safetensors is of a kind that is not applied here (oft_blocks)."
    assert "architecture" in told["b"]


LOHA = {
    "hada_w1_a": (320, 4),
    "hada_w1_b": (4, 2048),
    "hada_w2_a": (320, 4),
    "hada_w2_b": (4, 2048),
}
LOKR = {"lokr_w1": (16, 32), "lokr_w2_a": (20, 4), "lokr_w2_b": (4, 64)}


@pytest.mark.parametrize("shapes", [LOHA, LOKR, {"diff": (320, 2048)}])
def test_a_lycoris_of_another_family_is_known_by_headers(
    shapes: Mapping[str, tuple[int, ...]], tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    held = {f"{name}.{part}": torch.zeros(shape) for part, shape in shapes.items()}
    saved(tmp_path / "models" / "a.safetensors", held)
    for width, refused in ((768, True), (2048, False)):
        model = toy_model(tmp_path / f"any-{width}", cross_attention_dim=width)
        assert bool(offered(tmp_path, model)["a"]) is refused


def test_add_ons_are_no_models(several: Path) -> None:
    installed = Installed(POSTCARD, several / "models", several / "cache")
    assert [each.name for each in installed.models()] == ["Postcard", "cut"]


# --- as the library loads them -------------------------------------------------------------------


class House:
    """A studio on the embedded model, as far as a choice goes, with a LoRA and a word for it."""

    def __init__(self, tmp_path: Path, postcard: Bundle, runner: asyncio.Runner) -> None:
        folder = tmp_path / "models"
        self.style = str(lora(folder / "style.safetensors", postcard.denoiser))
        self.barn = str(word(folder / "barn.safetensors", 128))
        self.other = str(lora_of_width(folder / "other.safetensors", 2048))
        self.lost = str(lora_of_width(folder / "lost.safetensors", 128))
        self.models = Models(str(POSTCARD), "cpu", "float32", warm=lambda _: None)
        installed = Installed(POSTCARD, folder, tmp_path / "cache")
        self.choice = Choice(self.models, installed, Hub(folder, half=False), self.changed)
        self.turns = 0
        self.runner = runner

    async def changed(self) -> None:
        self.turns += 1

    def lay(self, weights: Mapping[str, float]) -> Progress:
        return self.end(lambda: self.choice.lay(weights))

    def choose(self, wanted: str) -> Progress:
        return self.end(lambda: self.choice.choose(wanted))

    def end(self, begin: Callable[[], None]) -> Progress:
        async def end() -> Progress:
            begin()
            return [progress async for progress, _ in self.choice.look()][-1]

        return self.runner.run(end())

    def rows(self) -> dict[str, AddOn]:
        async def last() -> Offer:
            return [offer async for _, offer in self.choice.look()][-1]

        return {each.name: each for each in self.runner.run(last()).add_ons}


@pytest.fixture
def house(tmp_path: Path, postcard: Any) -> Iterator[House]:
    with asyncio.Runner() as runner:  # one event loop for all choices, as the studio has
        yield House(tmp_path, postcard, runner)


def drawn(bundle: Bundle) -> Image.Image:
    picture = Image.new("RGB", (256, 256), "teal")
    asked = SDEdit(image=picture, prompt="a red house, barn", strength=1.0, num_inference_steps=3)
    return drain(sdedit(bundle, asked)).images[0]


def apart(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of a value, of 255."""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def test_what_is_applied_draws_as_the_library_does_and_comes_off(house: House) -> None:
    plain = drawn(house.models.bundle())
    assert house.lay({house.barn: 1.0, house.style: 0.7}).phase == "chosen"
    assert house.models.on_top == OnTop(((house.style, 0.7),), (house.barn,))
    bundle = house.models.bundle()
    assert (bundle.name, bundle.loras, bundle.words) == ("postcard", {"style": 0.7}, ["barn"])
    picture = drawn(bundle)
    loaded = Bundle.load(POSTCARD, loras={house.style: 0.7}, embeddings=[house.barn])
    assert apart(picture, drawn(loaded)) == 0
    assert apart(picture, plain) > 20

    assert house.lay({house.style: 0.0}).phase == "chosen"
    assert apart(drawn(house.models.bundle()), plain) <= 1
    assert house.lay({}).phase == "chosen"
    assert house.models.on_top == NOTHING and house.turns == 3
    assert apart(drawn(house.models.bundle()), plain) == 0


def test_the_page_says_what_is_on_top(house: House) -> None:
    assert {each.weight for each in house.rows().values()} == {None}
    before = house.models.facts()
    house.lay({house.barn: 1.0, house.style: -0.5})
    facts = house.models.facts()
    assert facts.name == before.name and facts.on_top == ["style × -0.5", "barn"]
    assert facts.vocabulary == {**before.vocabulary, "Taught": ["barn"]}
    rows = house.rows()
    assert (rows["style"].weight, rows["barn"].weight, rows["lost"].weight) == (-0.5, 1.0, None)
    assert rows["barn"].words and not rows["style"].words


def test_the_list_says_what_of_a_lora_is_not_used(house: House) -> None:
    held = load_file(house.style)
    held |= {f"lora_unet_x.lora_{side}.weight": torch.zeros(2, 2) for side in ("up", "down")}
    saved(Path(house.style), held)
    assert house.lay({house.style: 1.0, house.barn: 1.0}).phase == "chosen"
    rows = house.rows()
    assert re.fullmatch(
        r"style\.safetensors: 1 of \d+ layers is for parts that this model lacks\.",
        rows["style"].remark,
    )
    assert rows["barn"].remark == rows["lost"].remark == ""


def test_a_failure_leaves_what_was_on_top(house: House) -> None:
    house.lay({house.barn: 1.0})
    bundle, on_top = house.models.bundle(), house.models.on_top
    for weights, sentence in (
        ({house.other: 1.0}, "other.safetensors is a LoRA for Stable Diffusion XL, but the model"),
        ({house.barn: 1.0, house.lost: 1.0}, "lost.safetensors "),
        ({"/no/where.safetensors": 1.0}, "where.safetensors is not in the models folder any more."),
        ({str(POSTCARD): 1.0}, "postcard is not in the models folder"),
    ):
        told = house.lay(weights)
        assert told.phase == "failed" and told.text.startswith(sentence) and told.text[-1] == "."
    for weight in (2.05, -3.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^The weight of style must be .* from -2 to 2\.$"):
            house.lay({house.style: weight})
    assert house.models.bundle() is bundle and house.models.on_top == on_top
    assert house.turns == 1


def test_another_model_begins_with_nothing_on_top(
    house: House, tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    land = toy_model(tmp_path / "models" / "land")
    house.lay({house.barn: 1.0})
    assert house.choose(str(land)).phase == "chosen"
    assert (house.models.source, house.models.on_top) == (str(land), NOTHING)
    assert house.rows()["barn"].refusal  # it fits the former one only


def test_what_is_gone_can_be_taken_off(house: House) -> None:
    house.lay({house.barn: 1.0, house.style: 1.0})
    Path(house.style).unlink()
    rows = house.rows()
    assert rows["style"].size == 0 and rows["style"].weight == 1.0
    assert house.lay({house.barn: 1.0, house.style: 1.0}).phase == "failed"
    assert house.lay({house.barn: 1.0}).phase == "chosen"
    assert "style" not in house.rows()


def test_two_of_one_name_are_refused(house: House, tmp_path: Path) -> None:
    again = word(tmp_path / "models" / "below" / "Barn.safetensors", 128)
    told = house.lay({house.barn: 1.0, str(again): 1.0})
    assert told.phase == "failed" and told.text.startswith("Two files are called ")


def test_a_file_that_goes_on_top_is_no_model(house: House) -> None:
    told = house.choose(house.style)
    assert told.text.startswith("style.safetensors is a LoRA. Put it into the models folder")
    assert told.phase == "failed"
