"""Models whose right answer is known, and small random ones of the real architecture.

Toys, not mocks: a point mass or a Gaussian has a closed form, so a wrong sampler fails.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from pipelines.core.sampling import Moment, Predict
from pipelines.core.schedule import Level, Prediction

SCALED_LINEAR = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
}
EPSILON = {**SCALED_LINEAR, "prediction_type": "epsilon"}
V = {**SCALED_LINEAR, "prediction_type": "v_prediction"}
V_ZERO = {**V, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
CONFIGS = {"epsilon": EPSILON, "v": V, "v_zero_snr": V_ZERO}


def output_of(clean: Tensor, noise: Tensor, level: Level, prediction: Prediction) -> Tensor:
    """What a network would say whose estimates are these: the inverse of `split`."""
    if prediction == "sample":
        return clean
    if prediction == "flow_prediction":
        return noise - clean
    return noise if prediction == "epsilon" else level.signal * noise - level.noise * clean


def point_mass(y: Tensor, prediction: Prediction) -> Predict:
    """All data is `y`: the best network's clean estimate is y, whatever x is."""

    def predict(x: Tensor, moment: Moment) -> Tensor:
        signal, sigma = moment.here
        return output_of(y.expand_as(x), (x - signal * y) / sigma, moment.here, prediction)

    return predict


def gaussian(deviation: float, prediction: Prediction) -> Predict:
    """Data is N(0, deviation^2): both estimates are linear in x, and the ODE has a closed form."""

    def predict(x: Tensor, moment: Moment) -> Tensor:
        signal, sigma = moment.here
        share = x / (signal**2 * deviation**2 + sigma**2)
        clean, noise = signal * deviation**2 * share, sigma * share
        return output_of(clean, noise, moment.here, prediction)

    return predict


def gaussian_spread(level: Level, deviation: float) -> float:
    """The standard deviation of x at `level` for Gaussian data; the ODE carries x in proportion."""
    return (level.signal**2 * deviation**2 + level.noise**2) ** 0.5


def tiny_pipeline(
    folder: Path, scheduler: dict[str, Any] | None = None, seed: int = 0, **unet: Any
) -> StableDiffusionPipeline:
    """A Stable Diffusion of random weights and full architecture; 32-pixel pictures."""
    torch.manual_seed(seed)
    # diffusers' hints say tuple[int] where it means tuple[int, ...]
    autoencoder: dict[str, Any] = {
        "block_out_channels": (16, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 8,
        "sample_size": 32,
    }
    denoiser: dict[str, Any] = {
        "sample_size": 16,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        **unet,
    }
    parts: dict[str, Any] = {
        "vae": AutoencoderKL(**autoencoder),
        "unet": UNet2DConditionModel(**denoiser),
        "text_encoder": CLIPTextModel(_text_config()),
        "tokenizer": tiny_tokenizer(folder),
        "scheduler": DDIMScheduler.from_config(scheduler or EPSILON),
        "safety_checker": None,
        "feature_extractor": None,
    }
    return StableDiffusionPipeline(**parts, requires_safety_checker=False)


def tiny_xl_pipeline(folder: Path) -> StableDiffusionXLPipeline:
    """The same with SDXL's two text encoders, pooled words and sizes."""
    torch.manual_seed(1)
    small = tiny_pipeline(
        folder,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        cross_attention_dim=64,
    )
    return StableDiffusionXLPipeline(
        vae=small.vae,
        unet=small.unet,
        text_encoder=small.text_encoder,
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=small.tokenizer,
        tokenizer_2=small.tokenizer,
        scheduler=small.scheduler,
        add_watermarker=False,
    )


def tiny_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's own tokenizer over a vocabulary of letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,."
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16
    )


def tiny_ranker(folder: Path) -> None:
    """Save a CLIP of random weights with its tokenizer and image processor."""
    torch.manual_seed(3)
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    vision |= {"num_attention_heads": 4, "image_size": 32, "patch_size": 8, "projection_dim": 32}
    config = CLIPConfig(
        text_config=_text_config().to_dict(), vision_config=vision, projection_dim=32
    )
    tiny_tokenizer(folder).save_pretrained(str(folder))
    CLIPModel(config).save_pretrained(str(folder))
    side = {"height": 32, "width": 32}
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": side,
        "size": side,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=80,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        projection_dim=32,
        bos_token_id=76,
        eos_token_id=77,
        pad_token_id=77,
    )
