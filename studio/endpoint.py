"""A method for programs, `/paint` and its like: the same queue and checks, as generators.

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
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder

from components.contract.events import Event, Failed, Finished, Stepped, Stopped, Waiting
from components.form import defaults_of
from pipelines.request import (
    Choice,
    Hint,
    Picture,
    Range,
    Request,
    Rows,
    Several,
    Switch,
    Words,
    hints,
    required,
)
from studio.inputs import sketches
from studio.inputs.picture_files import Layers
from studio.service import Service

Told = dict[str, Any]


def endpoint(
    service: Service, request_type: type[Request], defaults: Mapping[str, Any]
) -> Callable[..., AsyncIterator[Told]]:
    """A method for programs; its arguments are the fields of its request, and so are their texts.

    They begin with what the page's fields begin with (`defaults`), also where null is given;
    without a seed with another one each time.
    """
    arguments = _arguments(request_type, defaults)
    picture = required(hints(request_type).get("image"))

    async def verb(request: gr.Request, *given: Any) -> AsyncIterator[Told]:
        pairs = zip(arguments, given, strict=True)
        values = {each.name: each.begin if value is None else value for each, value in pairs}
        files = {name: values.pop(name, None) for name in ("image", "mask_image")}
        layers = partial(_layers, **files, required=picture)
        async with aclosing(_run(service, layers, values, request)) as telling:
            async for told in telling:
                yield told

    # Gradio reads names, types, defaults and texts of arguments from the function.
    caller = Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    parameters = [caller, *(each.parameter for each in arguments)]
    said = Signature(parameters, return_annotation=AsyncIterator[Told])
    verb.__signature__ = said  # pyright: ignore[reportFunctionMemberAccess]
    types = {each.name: each.annotation for each in parameters}
    verb.__annotations__ = {**types, "return": said.return_annotation}
    about = "\n".join(f"    {each.name}: {each.about}" for each in arguments)
    verb.__doc__ = f"{inspect.getdoc(request_type)}\n\nParameters:\n{about}\n"
    return verb


@dataclass(frozen=True, slots=True)
class _Argument:
    name: str
    type: Any
    default: Any  # Parameter.empty where it has to be given
    about: str

    @property
    def begin(self) -> Any:
        """What stands for null."""
        return None if self.default is Parameter.empty else self.default

    @property
    def parameter(self) -> Parameter:
        return Parameter(
            self.name,
            Parameter.POSITIONAL_OR_KEYWORD,
            default=self.default,
            annotation=self.type,
        )


def _arguments(request_type: type[Request], defaults: Mapping[str, Any]) -> list[_Argument]:
    """What has to be given, then the other fields in their order."""
    told, own = hints(request_type), defaults_of(request_type, defaults)
    names = sorted(told, key=lambda name: not required(told[name]))
    arguments: list[_Argument] = []
    for name in names:
        default: Any = None if name == "seed" else own[name]
        if required(told[name]):
            default = Parameter.empty
        elif isinstance(told[name], Several):
            default = list(default)
        arguments.append(_Argument(name, _type(name, told[name]), default, _about(told[name])))
    return arguments


def _type(name: str, hint: Hint) -> Any:
    match hint:
        case Picture():
            return ImageData if hint.required else ImageData | None
        case Range(step=int()):
            return int | None if name == "seed" else int
        case Range():
            return float
        case Choice() | Words():
            return str
        case Switch():
            return bool
        case Several():
            return list[float]
        case Rows():
            return list[dict[str, Any]]


def _about(hint: Hint) -> str:
    if isinstance(hint, Choice):
        return f"{hint.about} One of {', '.join(hint.options)}."
    return " ".join(hint.about.split())


async def _run(
    service: Service, layered: Callable[[], Layers], values: Told, request: gr.Request
) -> AsyncGenerator[Told]:
    """One edit from its order to its end."""
    visitor = str(request.username)
    job = ""
    try:
        layers = await asyncio.to_thread(layered)
        job = await asyncio.to_thread(service.order, layers, values, visitor)
        async with aclosing(service.watch(job, visitor)) as events:
            async for event in events:
                yield tell(event)
                job = "" if isinstance(event, Finished | Failed | Stopped) else job
    except ValueError as refusal:
        raise gr.Error(str(refusal), print_exception=False) from None
    finally:
        if job:  # the program has gone, or cancelled: nobody will ask for this again
            service.stop(job, visitor)


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
                "notes": dict(event.notes),
            }
        case Stopped(index, total):
            return {"status": "stopped", "index": index, "total": total}
        case Failed(sentence):
            raise ValueError(sentence)


def _file(path: Path) -> Told:
    return FileData(path=str(path)).model_dump()


def _layers(image: object, mask_image: object, *, required: bool) -> Layers:
    picture = _received(image) if required or image is not None else None
    return sketches.given(picture, None if mask_image is None else _received(mask_image))


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
