"""What a file is, read from its header: named, or refused with one sentence."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipelines import Bundle
from pipelines.networks import checkpoint, distilled
from pipelines.networks.header import BYTES

UNET = "model.diffusion_model.input_blocks.0.0.weight"
VAE = "first_stage_model.decoder.conv_in.weight"
CLIP = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
OPEN_CLIP = "cond_stage_model.model.positional_embedding"
XL_FIRST = "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight"
XL_SECOND = "conditioner.embedders.1.model.positional_embedding"
XL = (XL_FIRST, XL_SECOND, VAE)


def header(
    *names: str, channels: int = 4, metadata: dict[str, str] | None = None
) -> dict[str, Any]:
    """Empty tensors of these names, and the first layer of a denoiser if it is among them."""
    tensors: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    for name in names:
        shape = [0, channels, 3, 3] if name == UNET else [0]
        tensors[name] = {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]}
    return tensors


def write(path: Path, said: object, data: bytes = b"", length: int | None = None) -> Path:
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ((UNET, VAE, CLIP), "sd1"),
        ((UNET, VAE, OPEN_CLIP), "sd2"),
        ((UNET, *XL), "sdxl"),
        ((UNET, *XL, "edm_mean", "edm_std"), "edm"),
        ((UNET, *XL, "edm_vpred.sigma_max"), "edm"),
        ((UNET, VAE, "conditioner.embedders.0.model.positional_embedding"), "refiner"),
        (("model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale", VAE), "flux"),
        (("double_blocks.0.img_attn.qkv.weight",), "flux"),
        (("model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.bias", VAE), "sd3"),
        (("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",), "lora"),
        (("unet.down_blocks.0.attentions.0.proj_in.lora_A.weight",), "lora"),
        (("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight",), "lora"),
        (("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a",), "lora"),
        (("decoder.conv_in.weight", "encoder.conv_in.weight"), "vae"),
        ((VAE,), "vae"),
        (("control_model.input_blocks.0.0.weight",), "controlnet"),
        (("controlnet_cond_embedding.conv_in.weight", "down_blocks.0.x"), "controlnet"),
        ((UNET, VAE), "denoiser"),
        (("down_blocks.0.resnets.0.norm1.weight",), "denoiser"),
        (("text_model.encoder.layers.0.layer_norm1.weight",), "text"),
        (("transformer_blocks.0.attn.to_q.weight",), "unknown"),
        ((), "unknown"),
    ],
)
def test_the_names_of_the_tensors_tell_the_kind(
    names: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    read = checkpoint.read(write(tmp_path / "x.safetensors", header(*names)))
    assert read.kind == kind
    if kind in checkpoint.FAMILIES:
        assert read.family() == kind
        return
    with pytest.raises(ValueError, match=r"^x\.safetensors is .*; the studio edits with .*XL\.$"):
        read.family()


WORDS = [  # tensors of a textual inversion, and of what is none
    ({"emb_params": ("F32", 4, 768)}, True),
    ({"string_to_param.*": ("F16", 1, 768)}, True),
    ({"<cat>": ("BF16", 768)}, True),
    ({"cat": ("F32", 1024)}, True),
    ({"text_encoders_0": ("F32", 2, 768)}, True),
    ({"weight": ("F64", 16, 1280)}, True),
    ({"lora_up": ("F32", 3, 768)}, True),
    ({"a b . weird/名": ("F32", 3, 128)}, True),
    (
        {"string_to_param.*": ("F32", 2, 768), "string_to_token.*": ("I64",), "step": ("I64", 1)},
        True,
    ),
    ({"clip_l": ("F16", 2, 768), "clip_g": ("F16", 2, 1280)}, True),
    ({"text_encoders_0": ("F32", 2, 768), "text_encoders_1": ("F32", 2, 1280)}, True),
    ({"0": ("F32", 768), "1": ("F32", 1280)}, True),
    ({"a": ("F32", 2, 768), "b": ("F32", 3, 1280)}, False),
    ({"a": ("F8_E4M3", 2, 768)}, False),
    ({"a": ("I64", 2, 768)}, False),
    ({"a": ("F32", 1, 2, 768)}, False),
    ({"a": ("F32", 2, 768), "step": ("F32", 1, 1)}, True),
    ({"a": ("F32", 600, 768)}, True),
    ({"a": ("F32", 601, 768)}, False),
    ({"a": ("F32", 0, 768)}, False),
    ({"a": ("F32", 2, 3)}, False),
    ({"a": ("F32",)}, False),
    ({str(i): ("F32", 768) for i in range(4)}, False),
    ({"x.lora_up.weight": ("F32", 8, 768), "x.lora_down.weight": ("F32", 8, 1280)}, False),
]


@pytest.mark.parametrize(("tensors", "is_word"), WORDS)
def test_a_word_is_known_by_shapes_and_types_alone(
    tensors: dict[str, tuple[Any, ...]], is_word: bool, tmp_path: Path
) -> None:
    said, end = {}, 0
    for name, (dtype, *shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * BYTES[dtype]
        said[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    read = checkpoint.read(write(tmp_path / "x.safetensors", said, bytes(end)))
    assert (read.kind == "embedding") == is_word


def test_vectors_find_their_encoders_by_width(tmp_path: Path) -> None:
    for first, second in (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1"), ("b", "a")):
        path = tmp_path / "x.safetensors"
        save_file({first: torch.zeros(2, 768), second: torch.zeros(2, 1280)}, path)
        read = checkpoint.read(path)
        assert read.of([768, 1280]) == [first, second]
        assert read.of([768]) == read.of([1024]) == read.of([768, 768]) == []
    save_file({"clip_g": torch.zeros(2, 32), "clip_l": torch.zeros(2, 32)}, path)
    assert checkpoint.read(path).of([32, 32]) == ["clip_l", "clip_g"]


def test_another_architecture_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "dev.safetensors", header("double_blocks.0.img_attn.qkv.weight"))
    with pytest.raises(ValueError) as raised:
        Bundle.load(path)
    assert str(raised.value) == (
        "dev.safetensors is a Flux checkpoint; the studio edits with Stable Diffusion 1, 2 and XL."
    )
    folder = tmp_path / "FLUX.1-schnell"
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ValueError, match=r"FluxPipeline; the studio edits with"):
        Bundle.load(folder)


@pytest.mark.parametrize("channels", [3, 5, 7, 8])
def test_a_denoiser_of_another_task_is_refused(channels: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", header(UNET, VAE, CLIP, channels=channels))
    with pytest.raises(ValueError, match=f"takes {channels} channels"):
        checkpoint.read(path).family()


def test_a_file_without_an_autoencoder_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", header(UNET, CLIP))
    with pytest.raises(ValueError, match=r"has no autoencoder"):
        checkpoint.read(path).family()


@pytest.mark.parametrize(
    ("name", "names", "metadata", "said"),
    [
        ("v2-1_768-ema-pruned", (OPEN_CLIP,), {}, "v_prediction"),
        ("v2-1_512-ema-pruned", (OPEN_CLIP,), {}, "epsilon"),
        ("512-inpainting-ema", (OPEN_CLIP,), {}, "epsilon"),
        ("dreams", (OPEN_CLIP,), {}, None),
        ("dreams-768", (CLIP,), {}, None),
        ("noobai-XL-Vpred-1.0", XL, {}, "v_prediction"),
        ("sdxl_lightning_1step_x0", XL, {}, "sample"),
        ("juggernautX0xl", XL, {}, None),
        ("anything", (*XL, "v_pred"), {}, "v_prediction"),
        ("anything", XL, {"modelspec.prediction_type": "v"}, "v_prediction"),
        ("anything-512", (OPEN_CLIP,), {"modelspec.prediction_type": "v"}, "v_prediction"),
        ("anything-768", (OPEN_CLIP,), {"modelspec.prediction_type": "epsilon"}, "epsilon"),
    ],
)
def test_the_prediction_is_read_where_it_is_said(
    name: str, names: tuple[str, ...], metadata: dict[str, str], said: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path / f"{name}.safetensors", header(UNET, *names, metadata=metadata))
    assert checkpoint.read(path).prediction == said


TENSOR = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
BAD: list[tuple[object, int, int | None]] = [  # header, bytes of tensors, length claimed
    ({"a": TENSOR}, 16, 10**6),
    ({"a": TENSOR}, 16, 2**63),
    ({"a": TENSOR}, 16, 4 * 10**9),
    ({"a": TENSOR}, 16, 0),
    (b"\xff\xfe not JSON", 0, None),
    (b"[" * 100_000, 0, None),
    ([TENSOR], 16, None),
    ({"a": TENSOR}, 8, None),
    ({"a": TENSOR}, 17, None),
    ({"a": TENSOR, "b": TENSOR}, 16, None),
    ({"a": {**TENSOR, "data_offsets": [8, 24]}}, 24, None),
    ({"a": {**TENSOR, "dtype": "F3"}}, 16, None),
    ({"a": {**TENSOR, "shape": [2**62, 2**62]}}, 16, None),
    ({"a": {**TENSOR, "shape": [-2, -2]}}, 16, None),
    ({"a": {**TENSOR, "shape": [1] * 9 + [4]}}, 16, None),
    ({"a": {**TENSOR, "shape": "22"}}, 16, None),
    ({"a": {**TENSOR, "data_offsets": [0]}}, 16, None),
    ({"a": {"dtype": "F32"}}, 16, None),
    ({"a": 1}, 16, None),
]


@pytest.mark.parametrize(("said", "room", "length"), BAD)
def test_a_header_that_lies_is_one_sentence(
    said: object, room: int, length: int | None, tmp_path: Path
) -> None:
    path = write(tmp_path / "bad.safetensors", said, bytes(room), length)
    with pytest.raises(ValueError, match=r"bad\.safetensors .*\.$") as raised:
        Bundle.load(path)
    assert len(str(raised.value)) < 200


def test_the_good_neighbour_of_the_bad_ones_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "good.safetensors", {"a": TENSOR}, bytes(16))
    assert checkpoint.read(path).shapes == {"a": (2, 2)}


@pytest.mark.parametrize("length", [0, 1, 7, 8, 20])
def test_a_file_cut_off_is_one_sentence(length: int, tmp_path: Path) -> None:
    path = write(tmp_path / "cut.safetensors", {"a": TENSOR}, bytes(16))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"^cut\.safetensors is cut off"):
        Bundle.load(path)


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors", "model"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_under_any_name(name: str, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02}.")
    else:
        path.write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}.")
    with pytest.raises(ValueError, match=r"can run code; only \.safetensors files are read"):
        Bundle.load(path)


def test_a_pickle_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x80\x02}.")
    with pytest.raises(ValueError, match=r"can run code"):
        Bundle.load(tmp_path)


def test_code_in_a_folder_is_refused(tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["evil", "Evil"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"^The unet of .* brings code of its own"):
        Bundle.load(tmp_path)
    index = {"_class_name": ["evil", "Evil"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"the studio edits with"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_whose_length_begins_as_a_pickle_is_none(length: int, tmp_path: Path) -> None:
    tensor = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(tensor).encode().ljust(length)
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header + bytes(4))
    assert path.read_bytes()[0] == 0x80
    assert checkpoint.read(path).shapes == {"x": (1,)}


def test_the_refiner_in_a_folder_is_refused(tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"is the refiner of Stable Diffusion XL; the studio"):
        Bundle.load(tmp_path)


def test_a_folder_of_an_edm_model_is_refused(tmp_path: Path) -> None:
    """Its noise is not what our solvers take away."""
    scheduler = ["diffusers", "EDMDPMSolverMultistepScheduler"]
    index = {"_class_name": "StableDiffusionXLPipeline", "scheduler": scheduler}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"is an EDM model, .*; the studio edits with"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "scheduler", "steps"),
    [
        ("stabilityai/sd-turbo", "euler_ancestral", 4),
        ("sdxl_lightning_8step", "euler", 8),
        ("juggernautXL_v9Rdphoto2Lightning", "euler", 4),
        ("Hyper-SDXL-2steps", "ddim", 2),
        ("hypersd15", "ddim", 4),
        ("LCM_Dreamshaper_v7", "lcm", 4),
        ("dmd2_sdxl_4step", "lcm", 4),
        ("realisticVisionV51_v51HyperVAE", "ddim", 4),
    ],
)
def test_a_few_step_model_is_known_by_its_name(name: str, scheduler: str, steps: int) -> None:
    told = {"scheduler": scheduler, "num_inference_steps": steps, "guidance_scale": 1.0}
    assert distilled.defaults(name, {}, {}) == told


@pytest.mark.parametrize(
    "name",
    [
        *("dreamshaper_8", "hyperrealism", "welcome", "20steps"),
        *("hyperRealism_30", "HyperRealism V3", "hyper-realistic-v4", "Hyper_Detail"),
    ],
)
def test_any_other_model_has_no_such_defaults(name: str) -> None:
    assert distilled.defaults(name, {"_class_name": "DDIMScheduler"}, {}) == {}


@pytest.mark.parametrize(
    ("lora", "scheduler", "steps"),
    [
        ("lcm-lora-sdxl", "lcm", 4),
        ("LCM_LoRA_Weights_SD15", "lcm", 4),
        ("sdxl_lightning_8step_lora", "euler", 8),
        ("Hyper-SDXL-2steps-lora", "ddim", 2),
        ("dmd2_sdxl_4step_lora_fp16", "lcm", 4),
    ],
)
def test_a_few_step_lora_counts_like_a_model(lora: str, scheduler: str, steps: int) -> None:
    told = {"scheduler": scheduler, "num_inference_steps": steps, "guidance_scale": 1.0}
    assert distilled.defaults("dreams", {}, {}, {"style": 1.0, lora: 0.5}) == told
    assert distilled.defaults("dreams", {}, {}, {lora: 0.0}) == {}
    assert distilled.defaults("dreams", {}, {}, {"Lightning McQueen": 1.0}) == {}


def test_what_was_distilled_with_guidance_keeps_it() -> None:
    told = {"scheduler": "ddim", "num_inference_steps": 8}
    assert distilled.defaults("dreams", {}, {}, {"Hyper-SDXL-8steps-CFG-lora": 1.0}) == told


def test_a_consistency_model_is_known_by_its_configuration() -> None:
    assert distilled.how("anything", {"_class_name": "LCMScheduler"}, {}) == "lcm"
    assert distilled.how("anything", {}, {"time_cond_proj_dim": 256}) == "lcm"
