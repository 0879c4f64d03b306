"""`/paint`, `/replace` and `/compare` for programs: the same queue and checks, as generators.

With `gradio_client`:

    from gradio_client import Client, handle_file
    studio = Client("http://127.0.0.1:7860")
    job = studio.submit(handle_file("strokes.png"), prompt="a red house", api_name="/paint")
    for told in job:
        print(told)  # {"status": "step", "index": 3, "total": 14, …}
    told["images"]  # PNG files, downloaded

What is told are dictionaries. Cancelling the job, or leaving, stops the edit.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder

from components.events import Event, Failed, Finished, Stepped, Stopped, Waiting
from studio import inputs, sketches
from studio.desk import Desk
from studio.sketches import Guide

Told = dict[str, Any]


def paint_endpoint(desk: Desk) -> Callable[..., AsyncIterator[Told]]:
    async def paint(
        request: gr.Request,
        image: ImageData,
        prompt: str = "",
        negative_prompt: str = "",
        strength: float = 0.7,
        num_inference_steps: int = 20,
        guidance_scale: float = 4.0,
        seed: int | None = None,
        num_images: int = 1,
        mask_image: ImageData | None = None,
        scheduler: str = "default",
        eta: float = 0.0,
        repeats: int = 1,
    ) -> AsyncIterator[Told]:
        """Refine strokes or a photo into what the words say (SDEdit).

        Parameters:
            image: what to start from
            prompt: what the picture should show
            negative_prompt: what it should not show
            strength: 0 keeps the image, 1 follows the words alone
            num_inference_steps: steps of the whole way from noise to picture
            guidance_scale: how strictly the words are followed
            seed: the same seed draws the same picture; a random one if none is given
            num_images: how many pictures, with seeds in a row
            mask_image: white where the picture may change; everywhere if none is given
            scheduler: default, ddim, ddpm, euler, euler_ancestral, dpmpp_2m, unipc, heun or lcm
            eta: for ddim, 0 is deterministic
            repeats: how often the result is refined once more
        """
        values = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "strength": strength,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "seed": seed,
            "num_images": num_images,
            "scheduler": scheduler,
            "eta": eta,
            "repeats": repeats,
        }
        guide = partial(_guide, image, mask_image)
        async with aclosing(_run(desk, guide, values, request)) as telling:
            async for told in telling:
                yield told

    return paint


def replace_endpoint(desk: Desk) -> Callable[..., AsyncIterator[Told]]:
    async def replace(
        request: gr.Request,
        image: ImageData,
        mask_image: ImageData | None = None,
        prompt: str = "",
        negative_prompt: str = "",
        strength: float = 1.0,
        num_inference_steps: int = 20,
        guidance_scale: float = 4.0,
        seed: int | None = None,
        num_images: int = 1,
        grow: int = 0,
        feather: int = 8,
        shrink_steps: int = 0,
        background: str = "paste",
        crop: str = "auto",
        left: int = 0,
        top: int = 0,
        right: int = 0,
        bottom: int = 0,
        scheduler: str = "default",
        eta: float = 0.0,
    ) -> AsyncIterator[Told]:
        """Replace a region by what the words say (Blended Latent Diffusion).

        Parameters:
            image: the picture
            mask_image: white is replaced, gray changed that far, black stays; of the picture's size
            prompt: what belongs there
            negative_prompt: what does not
            strength: 1 draws the region anew, less keeps more of what lies there
            num_inference_steps: steps of the whole way from noise to picture
            guidance_scale: how strictly the words are followed
            seed: the same seed draws the same picture; a random one if none is given
            num_images: how many candidates, with seeds in a row
            grow: pixels the mask is grown by; below 0 it shrinks
            feather: pixels of soft edge, inwards from the mask's rim
            shrink_steps: how often a thin mask is widened at first
            background: paste, poisson, tune or none
            crop: auto, on or off
            left: pixels added to the frame on the left
            top: pixels added at the top
            right: pixels added on the right
            bottom: pixels added at the bottom
            scheduler: default, ddim, ddpm, euler, euler_ancestral, dpmpp_2m, unipc, heun or lcm
            eta: for ddim, 0 is deterministic
        """
        values = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "strength": strength,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "seed": seed,
            "num_images": num_images,
            "grow": grow,
            "feather": feather,
            "shrink_steps": shrink_steps,
            "background": background,
            "crop": crop,
            "left": left,
            "top": top,
            "right": right,
            "bottom": bottom,
            "scheduler": scheduler,
            "eta": eta,
        }
        guide = partial(_guide, image, mask_image)
        async with aclosing(_run(desk, guide, values, request)) as telling:
            async for told in telling:
                yield told

    return replace


def compare_endpoint(desk: Desk) -> Callable[..., AsyncIterator[Told]]:
    async def compare(
        request: gr.Request,
        prompt: str,
        edits: list[dict[str, Any]],
        image: ImageData | None = None,
        mask_image: ImageData | None = None,
        negative_prompt: str = "",
        num_inference_steps: int = 20,
        guidance_scale: float = 4.0,
        seed: int | None = None,
        inversion: str = "direct",
        attention: bool = False,
        scheduler: str = "default",
    ) -> AsyncIterator[Told]:
        """Draw a source and edits of its words side by side (Prompt-to-Prompt).

        The pictures are the source and then each edit. An edit is a dictionary with its own
        prompt and, where wanted, cross_replace_steps (an end, [start, end], or either by word),
        self_replace_steps (an end or [start, end]), self_replace_reduction, weights (word:
        strength) and local_blend (source, target, subtract: words; threshold, subtract_threshold,
        start_blend).

        Parameters:
            prompt: what the source shows
            edits: up to 8, such as {"prompt": "a blue house", "weights": {"blue": 1.5}}
            image: the source, described by prompt; drawn from the seed if none is given
            mask_image: white where the edits may change the source; everywhere if none is given
            negative_prompt: what no picture should show
            num_inference_steps: steps of the whole way from noise to picture
            guidance_scale: how strictly the words are followed
            seed: the same seed draws the same pictures; a random one if none is given
            inversion: of a given image: direct, negative-prompt or null-text
            attention: whether to keep the maps of words, as atlases under "views"
            scheduler: default, ddim, ddpm, euler, euler_ancestral, dpmpp_2m, unipc, heun or lcm
        """
        values = {
            "prompt": prompt,
            "edits": edits,
            "negative_prompt": negative_prompt,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "seed": seed,
            "inversion": inversion,
            "attention": attention,
            "scheduler": scheduler,
        }
        guide = partial(_guide_if_given, image, mask_image)
        async with aclosing(_run(desk, guide, values, request)) as telling:
            async for told in telling:
                yield told

    return compare


async def _run(
    desk: Desk, guided: Callable[[], Guide], values: Told, request: gr.Request
) -> AsyncGenerator[Told]:
    """One edit from its order to its end."""
    visitor = str(request.username)
    job = ""
    try:
        guide = await asyncio.to_thread(guided)
        job = desk.order(guide, values, visitor)
        async with aclosing(desk.watch(job, visitor)) as events:
            async for event in events:
                yield tell(event)
                job = "" if isinstance(event, Finished | Failed | Stopped) else job
    except ValueError as refusal:
        raise gr.Error(str(refusal), print_exception=False) from None
    finally:
        if job:  # the program has gone, or cancelled: nobody will ask for this again
            desk.stop(job, visitor)


def tell(event: Event) -> Told:
    """An event as a program reads it. A failure is an error there, so it is raised."""
    match event:
        case Waiting(place, what):
            return {"status": "waiting", "place": place, "what": what}
        case Stepped():
            return {
                "status": "step",
                "phase": event.phase,
                "index": event.index,
                "total": event.total,
                "seconds_left": round(event.seconds_left, 2),
            }
        case Finished():
            return {
                "status": "finished",
                "id": event.edit_id,
                "images": [_file(path) for path in event.images],
                "views": {name: _file(path) for name, path in event.views.items()},
                "seeds": list(event.seeds),
                "seconds": event.seconds,
                "notes": json.loads(json.dumps(dict(event.notes), default=str)),
            }
        case Stopped(index, total):
            return {"status": "stopped", "index": index, "total": total}
        case Failed(sentence):
            raise ValueError(sentence)


def _file(path: Path) -> Told:
    return FileData(path=str(path)).model_dump()


def _guide_if_given(image: object, mask_image: object) -> Guide:
    if image is not None:
        return _guide(image, mask_image)
    return Guide(None, None if mask_image is None else inputs.mask(_received(mask_image)))


def _guide(image: object, mask_image: object) -> Guide:
    mask = None if mask_image is None else inputs.mask(_received(mask_image))
    return sketches.given(inputs.picture(_received(image)), mask)


def _received(file: Any) -> Path:
    """The file behind what a program sent: only one that it has uploaded here."""
    told = file.get("path") if isinstance(file, dict) else getattr(file, "path", None)
    missing = "Upload the picture, for example with gradio_client's handle_file()."
    if not isinstance(told, str):
        raise ValueError(missing)
    try:
        real = Path(told).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise ValueError(missing) from None
    if not real.is_file() or not real.is_relative_to(Path(get_upload_folder()).resolve()):
        raise ValueError(missing)
    return real
