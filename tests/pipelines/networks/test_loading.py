"""One file loads as what was saved, without a connection, and takes LoRAs and new words."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import LatentConsistencyModelPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.networks import adapters, distilled, single_file
from tests import single_files, toys
from tests.conftest import ROOT

Tensors = dict[str, Tensor]

CASES = [("sd1", 4), ("sd1", 9), ("sd2", 4), ("sd2", 9), ("sdxl", 4), ("sdxl", 9)]
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return single_files.small_configs(tmp_path_factory.mktemp("small") / "configs")


@pytest.fixture
def small(configs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The loader reads the configurations of narrow networks."""
    load = single_file.load
    monkeypatch.setattr(single_file, "load", lambda path, dtype: load(path, dtype, configs))
    return configs


# --- one file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "channels"), CASES)
def test_a_file_loads_as_it_was_saved(
    family: str, channels: int, tmp_path: Path, configs: Path
) -> None:
    path = tmp_path / "any-512.safetensors"
    saved = single_files.write(path, family, configs, channels)
    pipe = single_file.load(path, configs=configs)
    found = {
        f"{part}.{name}": value
        for part in PARTS
        if pipe.components.get(part) is not None
        for name, value in pipe.components[part].state_dict().items()
    }
    assert found.keys() == saved.keys()
    assert all(torch.equal(found[name], value) for name, value in saved.items())
    bundle = Bundle.of(pipe)
    assert bundle.inpaints == (channels == 9)
    assert bundle.scheduler_config["prediction_type"] == "epsilon"
    padding = [tokenizer.pad_token for tokenizer in bundle.tokenizers]
    end, mark = single_file.CLIP_PADDING, single_file.OPEN_CLIP_PADDING
    assert padding == {"sd1": [end], "sd2": [mark], "sdxl": [end, mark]}[family]


def test_a_model_of_v_is_set_up_for_it(tmp_path: Path, configs: Path) -> None:
    path = tmp_path / "v2-1_768.safetensors"
    single_files.write(path, "sd2", configs)
    bundle = Bundle.of(single_file.load(path, configs=configs))
    assert bundle.scheduler_config["prediction_type"] == "v_prediction"
    assert bundle.size == 768
    path = tmp_path / "xl.safetensors"
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    single_files.write(path, "sdxl", configs, extra=marks)
    told = Bundle.of(single_file.load(path, configs=configs)).scheduler_config
    assert (told["prediction_type"], told["rescale_betas_zero_snr"]) == ("v_prediction", True)


def test_what_one_step_or_512_pixels_were_distilled_for(tmp_path: Path, configs: Path) -> None:
    def loaded(name: str) -> Bundle:
        single_files.write(tmp_path / f"{name}.safetensors", "sdxl", configs)
        return Bundle.of(single_file.load(tmp_path / f"{name}.safetensors", configs=configs), name)

    assert loaded("sd_xl_turbo_1.0_fp16").size == 512
    own = loaded("sdxl_lightning_1step_x0")
    assert own.size == loaded("dreamsXL_turbo").size == 128  # as its family
    assert own.scheduler_config["prediction_type"] == "sample"
    assert own.defaults["num_inference_steps"] == 1


def test_a_silent_denoiser_is_asked_what_it_predicts() -> None:
    class Denoiser:
        dtype = torch.float32

        def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
            self.answer = answer
            self.config = type("Config", (), {"in_channels": 9, "cross_attention_dim": 1024})

        def __call__(self, x: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
            return (self.answer(x),)

    signal = 0.068  # of the last time
    picture = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    assert single_file.predicts_noise(Denoiser(lambda x: x[:, :4] - signal * picture))
    assert not single_file.predicts_noise(Denoiser(lambda x: signal * x[:, :4] - picture))


@pytest.mark.parametrize(("family", "channels"), [("sd1", 4), ("sd2", 4), ("sdxl", 4)])
def test_a_loaded_file_edits(family: str, channels: int, tmp_path: Path, small: Path) -> None:
    path = tmp_path / "lightning-512.safetensors"
    single_files.write(path, family, small, channels)
    bundle = Bundle.load(path)
    assert bundle.defaults["num_inference_steps"] == 4
    assert bundle.scheduler_config["timestep_spacing"] == "trailing"
    picture = Image.new("RGB", (128, 128), "teal")
    request = SDEdit(image=picture, prompt="a cat", strength=0.5, **bundle.defaults)
    assert drain(sdedit(bundle, request)).images[0].size == picture.size


@pytest.mark.parametrize(
    "name",
    [
        "model.diffusion_model.time_embed.0.weight",
        "first_stage_model.decoder.conv_in.weight",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    ],
)
def test_a_file_with_a_hole_is_refused(name: str, tmp_path: Path, configs: Path) -> None:
    path = tmp_path / "hole.safetensors"
    single_files.write(path, "sd1", configs)
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"^hole\.safetensors is incomplete: .* missing\.$"):
        single_file.load(path, configs=configs)


def test_no_connection_is_tried(tmp_path: Path, configs: Path) -> None:
    """In a process that believes itself online, with an empty cache, every socket is refused.

    The same file without our configurations tries one, or this test would see nothing.
    """
    path = tmp_path / "xl.safetensors"
    single_files.write(path, "sdxl", configs)
    code = f"""
import socket
from pathlib import Path
def refuse(*arguments, **named):
    print("tried")
    raise OSError("refused")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from diffusers import StableDiffusionXLPipeline
from pipelines.networks import single_file
single_file.load(Path({str(path)!r}), configs=Path({str(configs)!r}))
print("loaded")
try:
    StableDiffusionXLPipeline.from_single_file({str(path)!r}, local_files_only=True)
except Exception:
    pass
"""
    online = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={**os.environ, **online}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[:2] == ["loaded", "tried"]


def test_the_networks_have_the_published_sizes() -> None:
    """Parameters of the networks as published: denoiser, autoencoder, text encoders."""

    def sizes(family: str) -> list[int]:
        with init_empty_weights():
            networks = single_files.networks(single_file.CONFIGS / family)
        return [sum(p.numel() for p in each.parameters()) for each in networks.values()]

    assert sizes("sd1") == [859_520_964, 83_653_863, 123_060_480]
    assert sizes("sd2") == [865_910_724, 83_653_863, 340_387_840]
    assert sizes("sdxl") == [2_567_463_684, 83_653_863, 123_060_480, 694_659_840]


def test_the_vocabulary_is_that_of_clip() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(str(single_file.CONFIGS / "tokenizer"))
    assert len(tokenizer) == 49_408
    # the example of OpenAI's notebook on CLIP's tokenizer
    assert tokenizer("Hello world!").input_ids == [49406, 3306, 1002, 256, 49407]
    ids = tokenizer("a photo of a cat", padding="max_length").input_ids
    assert ids[:7] == [49406, 320, 1125, 539, 320, 2368, 49407] and len(ids) == 77


@pytest.mark.slow
def test_a_file_of_true_width_loads(tmp_path: Path) -> None:
    """Stable Diffusion 1.5 in half precision: 2 GB of zeros, which a file with holes holds."""
    with init_empty_weights():
        networks = single_files.networks(single_file.CONFIGS / "sd1")
    shapes = {k: tuple(v.shape) for k, v in single_files.published(networks, 2).items()}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    said = json.dumps(header).encode()
    path = tmp_path / "v1-5-pruned.safetensors"
    with path.open("wb") as file:
        file.write(len(said).to_bytes(8, "little") + said)
        file.truncate(8 + len(said) + end)
    bundle = Bundle.load(path, dtype=torch.float16)
    assert (bundle.size, bundle.dtype, bundle.cell) == (512, torch.float16, 8)
    assert len(bundle.read("a red house").words) == 3


# --- on top --------------------------------------------------------------------------------------


def lora(path: Path, layers: Mapping[str, Tensor], rank: int = 2, alpha: float = 1.0) -> Tensors:
    """Save a LoRA in kohya's names; what it should add to each layer comes back."""
    generator = torch.Generator().manual_seed(len(path.stem))
    held, added = {}, {}
    for name, weight in layers.items():
        up = torch.randn(weight.shape[0], rank, generator=generator)
        down = torch.randn(rank, weight.shape[1], generator=generator)
        held |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
        held[f"{name}.alpha"] = torch.tensor(alpha)
        added[name] = up @ down * (alpha / rank)
    save_file(held, path)
    return added


UNET_LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
TEXT_LAYER = "encoder.layers.1.mlp.fc1.weight"
UNET_NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
TEXT_NAME = "lora_te_text_model_encoder_layers_1_mlp_fc1"


def test_loras_add_their_product_times_their_weight(tmp_path: Path) -> None:
    model = tmp_path / "model"
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(model)
    plain = Bundle.load(model)
    before = {
        UNET_NAME: plain.denoiser.state_dict()[UNET_LAYER],
        TEXT_NAME: plain.text_encoders[0].state_dict()[TEXT_LAYER],
    }
    first, second = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    adds = lora(first, before), lora(second, {UNET_NAME: before[UNET_NAME]}, rank=1, alpha=3.0)
    bundle = Bundle.load(model, loras={first: 0.5, second: -2.0})
    after = bundle.denoiser.state_dict()
    added = 0.5 * adds[0][UNET_NAME] - 2.0 * adds[1][UNET_NAME]
    torch.testing.assert_close(after[UNET_LAYER], before[UNET_NAME] + added)
    text = bundle.text_encoders[0].state_dict()[TEXT_LAYER]
    torch.testing.assert_close(text, before[TEXT_NAME] + 0.5 * adds[0][TEXT_NAME])
    unchanged = plain.denoiser.state_dict()
    assert after.keys() == unchanged.keys()  # no layer more than before
    assert all(torch.equal(after[k], v) for k, v in unchanged.items() if k != UNET_LAYER)


def test_a_lora_of_another_family_is_refused(tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path)
    pipe.unet.register_to_config(cross_attention_dim=768)
    path = tmp_path / "xl.safetensors"
    lora(path, {UNET_NAME: torch.zeros(8, 2048)})
    with pytest.raises(ValueError, match=r"for Stable Diffusion XL, .* is Stable Diffusion 1\.$"):
        adapters.add_loras(pipe, {path: 1.0})


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["lora_unet_mid_block_attentions_0_proj_in.hada_w1_a"], r"\(hada_w1_a\)"),
        (["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"], "another architecture"),
        (["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight"], "architecture"),
        (["emb_params"], "is a textual inversion, no LoRA"),
        (
            ["lora_unet_nowhere.lora_down.weight", "lora_unet_nowhere.lora_up.weight"],
            "1 of 1 layer is for parts that this model lacks",
        ),
        (["elsewhere.a.lora_A.weight", "elsewhere.a.lora_B.weight"], "1 of 1 layer is for parts"),
    ],
)
def test_what_is_no_lora_for_this_model_is_refused(
    names: list[str], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    save_file({name: torch.zeros(2, 2) for name in names}, path)
    with pytest.raises(ValueError, match=rf"^x\.safetensors .*{sentence}.*\.$"):
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})


def test_a_new_word_says_what_its_vectors_say(tmp_path: Path) -> None:
    """An inversion made of the vectors of two letters is those letters, wherever it stands."""
    pipe = toys.tiny_pipeline(tmp_path)
    bundle = Bundle.of(pipe)
    letters = pipe.tokenizer("k z", add_special_tokens=False).input_ids
    path = tmp_path / "Barn-Style.safetensors"
    vectors = pipe.text_encoder.get_input_embeddings().weight[letters]
    save_file({"emb_params": vectors.detach().clone()}, path)
    wanted = bundle.embed("a k z, b", (32, 32)).tokens
    adapters.add_embeddings(pipe, [path])
    for text in ("a barn-style, b", "a BARN-STYLE , b"):
        assert torch.equal(bundle.embed(text, (32, 32)).tokens, wanted)
    assert not torch.equal(bundle.embed("a barn-styles, b", (32, 32)).tokens, wanted)
    words = {word.text: word.positions for word in bundle.read("a barn-style b").words}
    assert words == {"a": (1,), "barn-style": (2, 3), "b": (4,)}


def test_a_new_word_of_two_encoders(tmp_path: Path) -> None:
    pipe = toys.tiny_xl_pipeline(tmp_path)
    pipe.tokenizer_2 = toys.tiny_tokenizer(tmp_path / "second")
    bundle = Bundle.of(pipe)
    (letter,) = pipe.tokenizer("q", add_special_tokens=False).input_ids
    rows = [each.get_input_embeddings().weight[letter][None] for each in bundle.text_encoders]
    path = tmp_path / "word.safetensors"
    save_file({"clip_l": rows[0].clone(), "clip_g": rows[1].clone()}, path)
    wanted = bundle.embed("a q b", (32, 32))
    adapters.add_embeddings(pipe, [path])
    found = bundle.embed("a word b", (32, 32))
    assert torch.equal(found.tokens, wanted.tokens)
    assert found.pooled is not None and wanted.pooled is not None
    assert torch.equal(found.pooled, wanted.pooled)


def test_a_bundle_names_what_is_on_top(tmp_path: Path) -> None:
    model = tmp_path / "model"
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(model)
    style, barn = tmp_path / "Style.safetensors", tmp_path / "a" / "barn.safetensors"
    lora(style, {UNET_NAME: Bundle.load(model).denoiser.state_dict()[UNET_LAYER]})
    barn.parent.mkdir()
    save_file({"emb_params": torch.zeros(1, 32)}, barn)
    bundle = Bundle.load(model, loras={style: -0.5}, embeddings=[barn])
    assert (bundle.name, bundle.loras, bundle.words) == ("model", {"Style": -0.5}, ["barn"])
    with pytest.raises(ValueError, match=r"^Two files are called barn; .*\.$"):
        Bundle.load(model, embeddings=[barn, tmp_path / "Barn.safetensors"])


def test_a_word_of_another_family_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "word.safetensors"
    save_file({"emb_params": torch.zeros(1, 768)}, path)
    with pytest.raises(ValueError, match=r"^word\.safetensors is a word for another family"):
        adapters.add_embeddings(toys.tiny_pipeline(tmp_path), [path])
    save_file({"a.lora_up.weight": torch.zeros(1, 1)}, path)
    with pytest.raises(ValueError, match=r"is a LoRA, no textual inversion"):
        adapters.add_embeddings(toys.tiny_pipeline(tmp_path), [path])


# --- what a model is told and gives --------------------------------------------------------------


def test_a_consistency_model_hears_its_guidance(tmp_path: Path) -> None:
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path, time_cond_proj_dim=16))
    x, t = torch.randn(2, 4, 16, 16), torch.tensor(500)
    words = bundle.embed("a b", (32, 32)).rows(2)
    scale = torch.tensor([distilled.TOLD_GUIDANCE - 1])
    told = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, scale, 16)  # type: ignore[arg-type]
    theirs = bundle.denoiser(x, t, words.tokens, timestep_cond=told).sample
    torch.testing.assert_close(bundle.predict(x, t, words), theirs)
    assert bundle.defaults["scheduler"] == "lcm"


def test_a_black_half_precision_decode_is_done_again(tmp_path: Path) -> None:
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path))
    latents = torch.zeros(1, 4, 16, 16)
    (exact,) = bundle.decode(latents)
    bundle.vae.to(torch.bfloat16)
    decode, seen = bundle.vae.decode, []

    def black(latents: Tensor, **options: Any) -> Any:
        seen.append(latents.dtype)
        (pixels,) = decode(latents, **options)
        return (pixels * 0 - 1 if latents.dtype == torch.bfloat16 else pixels,)

    bundle.vae.decode = black
    (picture,) = bundle.decode(latents)
    assert seen == [torch.bfloat16, torch.float32]
    assert bundle.vae.dtype == torch.bfloat16
    assert max(abs(a - b) for a, b in zip(picture.tobytes(), exact.tobytes(), strict=True)) <= 4


def test_a_picture_that_is_black_in_float32_stays_black(tmp_path: Path) -> None:
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path))
    bundle.vae.decode = lambda latents, **_: (torch.full((1, 3, 32, 32), -1.0),)
    (picture,) = bundle.decode(torch.zeros(1, 4, 16, 16))
    assert picture.getextrema() == ((0, 0),) * 3


def test_xl_keeps_its_autoencoder_exact_in_half_precision(tmp_path: Path, small: Path) -> None:
    path = tmp_path / "xl.safetensors"
    single_files.write(path, "sdxl", small)
    half = Bundle.load(path, dtype=torch.float16)
    assert (half.dtype, half.vae.dtype) == (torch.float16, torch.float32)
    assert Bundle.load(path, dtype=torch.bfloat16).vae.dtype == torch.bfloat16
