"""Large pictures: what they take of memory, measured in a process of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.picture_files import exif_of, write_large

ROOT = Path(__file__).resolve().parents[3]

MEASURED = """
import json, sys
from pathlib import Path
from tests.peak import peak
"""

READ = """
from pipelines.pictures import read_mask, read_picture
given = Path(sys.argv[1])
before = peak()
size = {"picture": read_picture, "mask": read_mask}[sys.argv[2]](given).size
print(json.dumps({"size": size, "grown": peak() - before}))
"""

DESK = """
from PIL import Image
from components.contract.sketch import Sketch
from components.contract.events import Finished
from pipelines import Blended, Bundle, blended
from studio.service import Service
from studio.runs.engine import Engine
from studio.runs.history import History
from studio.runs.jobs import Jobs
from tests import toys
from tests.studio import pretend
from tests.studio.queue import ended
import torch, tests.studio.queue

tests.studio.queue.PATIENCE = 200.0
torch.set_num_threads(1)
folder, picture, mask = map(Path, sys.argv[1:])
bundle = Bundle.of(toys.tiny_pipeline(folder / "words"), "tiny")
models = pretend.models(folder, lambda *_given, **_named: bundle)
models.bundle()
history, jobs = History(folder / "data"), Jobs()
jobs.open()
engine = Engine(models, history, [folder])
service = Service("Replace", Blended, blended, jobs, engine, history, models, folder / "scratch")
values = {"prompt": "a house", "num_inference_steps": 1, "seed": 1}

def edit(picture, candidates=1):
    given = {**values, "num_images": candidates}
    event = ended(jobs, service.start(Sketch(picture, None, mask, 2048, 1536), given, "ada"))
    assert isinstance(event, Finished), event
    return event

small = folder / "small.png"
Image.new("RGB", (2048, 1536)).save(small)
edit(small)  # everything is imported and warm
before = peak()
"""

CANDIDATES = """
done = edit(picture, 8)
grown = peak() - before
print(json.dumps({"count": len({path.read_bytes() for path in done.images}), "grown": grown,
                  "size": Image.open(done.images[-1]).size,
                  "outside": done.notes["changed_outside"]}))
"""

REPLACED = """
from pipelines.pictures import read_picture
first = edit(picture)
second = edit(first.images[0])
grown = peak() - before
given, changed = (read_picture(each) for each in (picture, second.images[0]))
white = Image.open(mask).resize(given.size).point(lambda gray: 255 if gray else 0)
left, top, right, bottom = white.getbbox()
edge = 8  # a canvas's mask is enlarged to the picture
given.paste(0, (left - edge, top - edge, right + edge, bottom + edge))
changed.paste(0, (left - edge, top - edge, right + edge, bottom + edge))
same = all(
    given.crop((0, y, given.width, y + 512)).tobytes()
    == changed.crop((0, y, given.width, y + 512)).tobytes()
    for y in range(0, given.height, 512)
)
print(json.dumps({"size": changed.size, "grown": grown, "same": same,
                  "outside": first.notes["changed_outside"] + second.notes["changed_outside"]}))
"""


def measured(scene: str, *arguments: object) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", MEASURED + scene, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _jpeg(path: Path, size: tuple[int, int], **named: Any) -> None:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).ellipse((100, 100, 3000, 3000), fill="red")
    image.save(path, "JPEG", quality=90, exif=exif_of(6), **named)


def _mask(folder: Path) -> Path:
    drawn = Image.new("L", (2048, 1536))
    ImageDraw.Draw(drawn).ellipse((700, 500, 1200, 1000), fill=255)
    drawn.save(folder / "mask.png")
    return folder / "mask.png"


@pytest.mark.parametrize("what", ["picture", "mask"])
@pytest.mark.parametrize("form", ["png", "gray png", "jpeg"])
def test_40_megapixels_are_read_within_600_mb(form: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    if form == "jpeg":
        _jpeg(path, (8000, 5000))
    else:
        write_large(path, 8000, 5000, gray=form == "gray png")
    read = measured(READ, path, what)
    assert read["size"] == ([5000, 8000] if form == "jpeg" else [8000, 5000])
    assert read["grown"] <= 600


@pytest.mark.slow
def test_a_phone_photo_of_50_megapixels_is_replaced_twice_within_1500_mb(tmp_path: Path) -> None:
    """The outside is the original's, exactly, also after the result has become the picture."""
    picture, mask = tmp_path / "phone.jpg", _mask(tmp_path)
    _jpeg(picture, (6144, 8192))  # on its side: 8192 x 6144 upright
    edited = measured(DESK + REPLACED, tmp_path, picture, mask)
    assert edited["size"] == [8192, 6144]
    assert edited["same"] and edited["outside"] == [0, 0]
    assert edited["grown"] <= 1500


@pytest.mark.slow
def test_eight_candidates_take_no_more_per_pixel_than_one(tmp_path: Path) -> None:
    """1,500 MB for 50 megapixels are 480 for 16; eight results at full size alone would be 510."""
    picture = tmp_path / "phone.jpg"
    _jpeg(picture, (3456, 4608))
    edited = measured(DESK + CANDIDATES, tmp_path, picture, _mask(tmp_path))
    assert edited["count"] == 8 and edited["size"] == [4608, 3456]
    assert edited["outside"] == [0] * 8
    assert edited["grown"] <= 480
