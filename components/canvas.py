"""Our own canvas: a picture, strokes over it, and a mask, painted in the browser.

Python and the page talk in four small ways, so that painting itself costs no traffic:

* page -> Python, when a file is opened, pasted or dropped: it is uploaded, and `open_file` answers
  with what `read` makes of it. What the canvas shows is what will be edited.

* page -> Python, on a click only: `js=canvas.js` exports the layers as PNG, uploads them, and puts
  `{"width", "height", "picture", "strokes", "mask"}` (paths or null) where the component stood
  among the inputs. `read` is the only reader of that value, and it trusts nothing in it. A picture
  is named by its file, and not uploaded once more while the server has it.
* Python -> page: `canvas.show(...)` and the like return updates for the component.
* page -> page: every finished stroke fires the DOM event `pentimento:stroke` (and Gradio's
  `component.stroke(...)`, for live painting; `component.mask(...)` when the mask has changed and
  the hand rests, for showing with `canvas.outline(...)` what becomes of it).

The component's own value is the constant `{"canvas": key}`, a marker that tells the click's script
which canvas to export. The layers live in the page (assets/canvas/), where they survive runs,
hidden tabs and reloads, in each browser tab its own; so does what `canvas.show(..., aside=name)`
has set aside for a way back.
"""

import io
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from components.assets import called, mounted
from components.contract.events import BROKEN
from components.contract.sketch import LAYERS, Line, Region, Sketch, Swatch
from pipelines.pictures import MAX_BYTES

log = logging.getLogger(__name__)

MAX_SIDE: Final = 2048  # of the layers; a larger picture keeps its own pixels in its own file
NO_ROOM: Final = "The picture could not be kept: the disk is full. Free some space, then try again."

Layer = Path | Image.Image
# A file, and for which layer -> its pixels, upright. ValueError with a sentence if it is refused.
Reader = Callable[[Path, str], Image.Image]

_EVENTS: Final = ("stroke", "mask")

# Marks become sketches, everything else passes: right for any number of inputs in any order.
EXPORT: Final = f"async (...values) => {called('canvas/canvas', 'exported', 'values')}"
# The same while the first value is true; while it is not, painting costs no upload.
EXPORT_IF: Final = f"async (on, ...values) => {called('canvas/canvas', 'exportedIf', 'on, values')}"
EXPORT_MASK: Final = f"async (...values) => {called('canvas/canvas', 'exportedMask', 'values')}"


@dataclass(frozen=True, slots=True)
class Canvas:
    """A canvas on the page: `component` goes among the inputs, `js` onto the click.

    With `mask_js` on the click only the mask is sent, for `read_mask`; with `js_if` everything
    while the first input, a switch, is on.
    """

    component: gr.HTML
    key: str
    read: Reader
    js: str = EXPORT
    mask_js: str = EXPORT_MASK
    js_if: str = EXPORT_IF

    def show(
        self,
        *,
        picture: Layer | None = None,
        strokes: Layer | None = None,
        mask: Layer | None = None,
        keep: Collection[str] = LAYERS,
        aside: str | None = None,
    ) -> gr.HTML:
        """An update that puts layers on the canvas, as one step the user can undo.

        A layer that is not given stays if it is named in `keep`, and is cleared if it is not:
        `show(picture=result, keep=["mask"])` paints on from a result, under the same mask.
        The canvas takes the size of the picture, or else of the strokes if no picture stays.

        With `aside` the page keeps what was on the canvas, under this name, for `back`; what is
        kept under it already stays that, and what has another name is let go.
        """
        given = {"picture": picture, "strokes": strokes, "mask": mask}
        try:
            message: dict[str, Any] = {
                name: _shown(self.read, _kept(layer), name)
                for name, layer in given.items()
                if layer is not None
            }
        except ValueError as refusal:
            message = {"refused": str(refusal)}
        return gr.HTML(show={**message, "keep": _layers(keep), "aside": aside, **_new()})

    def back(self, name: str, keep: Collection[str] = ()) -> gr.HTML:
        """An update that brings back what was set aside under `name`, if it is there.

        A layer in `keep` stays as it is now. Like `show`, one step that the user can undo.
        """
        return gr.HTML(show={"back": name, "keep": _layers(keep), **_new()})

    def outline(self, region: Region, **lines: Sequence[Line]) -> gr.HTML:
        """An update that draws closed lines over the sheet, by the name of their style."""
        shape = {"width": region.width, "height": region.height}
        drawn = {name: list(each) for name, each in lines.items()}
        return gr.HTML(outline={**shape, "lines": drawn, **_new()})


def canvas(
    *,
    key: str,
    read: Reader,
    swatches: Sequence[Swatch] = (),
    size: tuple[int, int] = (256, 256),
    label: str = "Canvas",
    hint: str = "Paint here, or drop a picture",
    layer: Literal["strokes", "mask"] = "strokes",
) -> Canvas:
    """Build a canvas. `key` names it in the browser's store, so it must be the page's own.

    `read` is the reader by which runs read files as well. `hint` stands on the empty sheet; `layer`
    is what the brush paints at first.
    """
    component = gr.HTML(
        {"canvas": key},
        label=label,
        elem_id=f"canvas-{key}",
        elem_classes="pm-host",
        html_template='<div class="pm-canvas"></div>',
        js_on_load=mounted(
            "canvas",
            {
                "key": key,
                "swatches": list(swatches),
                "size": list(size),
                "limit": MAX_SIDE,
                "heaviest": MAX_BYTES,
                "hint": hint,
                "layer": layer,
            },
            _EVENTS,
        ),
        apply_default_css=False,
        server_functions=[_opener(read), holds],
        show=None,
        outline=None,
    )
    return Canvas(component, key, read)


def _opener(read: Reader) -> Callable[[object], dict[str, Any]]:
    def open_file(sent: object) -> dict[str, Any]:
        """What a file that the page has uploaded shows, or the sentence that says why nothing."""
        try:
            path, layer = _named(sent)
            return _shown(read, path, layer)
        except ValueError as refusal:
            return {"refused": str(refusal)}
        except Exception:
            log.exception("A picture could not be opened")
            return {"refused": BROKEN}

    return open_file


def holds(sent: object) -> bool:
    """Whether the server still has a file that the page once uploaded."""
    try:
        _named(sent)
    except ValueError:
        return False
    return True


def _named(sent: object) -> tuple[Path, str]:
    """A file and its layer, as the page names them."""
    match sent:
        case [str() as path, "picture" | "mask" as layer]:
            received = _received(path, layer)
        case _:
            received, layer = None, ""
    if received is None:
        raise ValueError("The picture did not arrive. Open it again.")
    return received, layer


def _shown(read: Reader, path: Path, layer: str) -> dict[str, Any]:
    """What the canvas shows of a file, as a PNG, and what a run will call it."""
    image = read(path, layer)
    scale = min(1.0, MAX_SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    shown = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    return {
        "shown": FileData(path=str(_kept(shown))).model_dump(),
        "path": str(path),
        "width": image.width,
        "height": image.height,
    }


def read(value: object) -> Sketch:
    """What the canvas sent, checked; ValueError with a sentence for a person otherwise."""
    if value is None:  # the page could not upload; it says why beside the canvas
        raise ValueError("The canvas could not be sent. Nothing is lost: run again.")
    if not isinstance(value, dict) or set(value) != {"width", "height", *LAYERS}:
        raise ValueError("The canvas could not be read. Reload the page and run again.")
    width, height = (_side(value[name]) for name in ("width", "height"))
    picture, strokes, mask = (_received(value[name], name) for name in LAYERS)
    return Sketch(picture, strokes, mask, width, height)


def read_mask(value: object) -> Region:
    """What the canvas sent with `mask_js`, checked like a whole sketch."""
    if not isinstance(value, dict) or set(value) != {"width", "height", "scale", "mask"}:
        raise ValueError("The mask could not be read. Reload the page and try again.")
    width, height = (_side(value[name]) for name in ("width", "height"))
    scale = value["scale"]
    if not isinstance(scale, int | float) or not 0 < scale <= 1:
        raise ValueError("The mask could not be read. Reload the page and try again.")
    return Region(_received(value["mask"], "mask"), width, height, float(scale))


def _layers(named: Collection[str]) -> list[str]:
    return [name for name in LAYERS if name in named]


def _new() -> dict[str, str]:
    """Makes a message new: the page hears only of what changes, and the same must act twice."""
    return {"token": secrets.token_hex(8)}


def _side(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_SIDE:
        raise ValueError(f"The canvas must be between 1 and {MAX_SIDE} pixels on each side.")
    return value


def _received(value: object, layer: str) -> Path | None:
    """The file behind a path from outside: only one that Gradio itself stored will do."""
    if value is None:
        return None
    missing = f"The {layer} did not arrive. Run again."
    if not isinstance(value, str):
        raise ValueError(missing)
    root, path = Path(get_upload_folder()).resolve(), Path(value)
    try:
        real = path.resolve(strict=True)
        plain = path.is_absolute() and ".." not in path.parts and not path.is_symlink()
        inside = real.is_relative_to(root) and real.is_file()
        size = real.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:  # absent, NUL, surrogate, loop, too long
        raise ValueError(missing) from error
    if not (plain and inside):
        raise ValueError(missing)
    if not 0 < size <= MAX_BYTES:
        raise ValueError(f"The {layer} is larger than {MAX_BYTES // 2**20} MB, or empty.")
    return real


def _kept(layer: Layer) -> Path:
    """The file of a layer: its own, or one that Gradio serves; PNG, since its own is lossy."""
    if isinstance(layer, Path):
        return layer
    png = io.BytesIO()
    layer.save(png, "PNG", compress_level=1)
    try:
        return Path(save_bytes_to_cache(png.getvalue(), "shown.png", get_upload_folder()))
    except OSError as error:
        log.warning("A picture cannot be kept (%s)", error)
        raise ValueError(NO_ROOM) from error
