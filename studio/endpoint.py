"""`/paint` for programs: the same queue, the same checks, as a generator of plain dictionaries.

With `gradio_client`:

    from gradio_client import Client, handle_file
    studio = Client("http://127.0.0.1:7860")
    job = studio.submit(handle_file("strokes.png"), prompt="a red house", api_name="/paint")
    for told in job:
        print(told)  # {"status": "step", "index": 3, "total": 14, …}
    told["images"]  # PNG files, downloaded

Cancelling the job, or leaving, stops the edit.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
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
        visitor = str(request.username)
        job = ""
        try:
            guide = await asyncio.to_thread(_guide, image, mask_image)
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

    return paint


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
                "images": [FileData(path=str(path)).model_dump() for path in event.images],
                "seeds": list(event.seeds),
                "seconds": event.seconds,
                "notes": json.loads(json.dumps(dict(event.notes), default=str)),
            }
        case Stopped(index, total):
            return {"status": "stopped", "index": index, "total": total}
        case Failed(sentence):
            raise ValueError(sentence)


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
