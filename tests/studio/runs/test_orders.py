"""An order is plain data: files that stay, decoded when its turn comes."""

import gc
import pickle
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.contract.events import Event, Failed, Finished
from components.contract.sketch import Sketch
from pipelines.pictures import GONE
from pipelines.request import Request
from pipelines.sdedit import SDEdit
from studio.inputs import sketches
from studio.inputs.picture_files import Layers, PictureFile, refer
from studio.runs.engine import Engine, Make, Method, Order
from studio.runs.history import History
from studio.runs.jobs import Jobs, Limits
from studio.service import Service
from tests.picture_files import bomb, write_large
from tests.studio import pretend
from tests.studio.queue import ended, until

ROOT = Path(__file__).resolve().parents[3]


class Place:
    """A service whose queue moves when `jobs.open()` is called, and the orders that it took."""

    def __init__(self, folder: Path) -> None:
        self.scratch = folder / "scratch"
        self.history = History(folder / "data")
        self.jobs = Jobs(Limits(per_visitor=24))
        self.requests: list[Any] = []
        self.orders: list[Order] = []
        models = pretend.models(folder)
        engine = Engine(models, self.history, [folder])
        run = engine.run

        def taken(order: Order, method: Method, make: Make) -> Generator[Event, None, None]:
            self.orders.append(order)
            return run(order, method, make)

        engine.run = taken
        self.service = Service(
            "Paint", SDEdit, self.method, self.jobs, engine, self.history, models, self.scratch
        )

    def method(self, bundle: Any, request: Request) -> Any:
        self.requests.append(request)
        return pretend.steps(1)(bundle, request)

    @property
    def kept(self) -> list[Path]:
        return [each for each in self.scratch.rglob("*") if each.is_file()]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.jobs.close()
    place.history.close()


@pytest.fixture
def sketch(tmp_path: Path) -> Sketch:
    picture, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    Image.new("RGB", (40, 32), "blue").save(picture)
    Image.new("L", (40, 32), 255).save(mask)
    return Sketch(picture, None, mask, 40, 32)


def test_an_order_pickles_and_compares_by_value(place: Place, sketch: Sketch) -> None:
    job = place.service.start(sketch, {"prompt": "a house"}, "ada")
    place.jobs.open()
    assert isinstance(ended(place.jobs, job), Finished)
    (order,) = place.orders
    again = pickle.loads(pickle.dumps(order))
    assert again == order and again is not order
    assert isinstance(order.values["seed"], int), "the same order draws the same picture"
    assert order.layers.picture is not None and order.layers.picture.size == (40, 32)


def test_nothing_is_decoded_before_its_turn(
    place: Place, sketch: Sketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def reading(source: Path) -> Image.Image:
        read.append(source)
        return Image.new("RGB", (40, 32))

    monkeypatch.setattr(sketches, "read_picture", reading)
    job = place.service.start(sketch, {}, "ada")
    assert read == []
    place.jobs.open()
    assert isinstance(ended(place.jobs, job), Finished)
    assert len(read) == 1


def test_an_upload_that_is_swept_meanwhile_is_still_there_and_goes_with_its_order(
    place: Place, sketch: Sketch
) -> None:
    jobs = [place.service.start(sketch, {}, "ada") for _ in range(2)]
    assert len(place.kept) == 4
    assert sketch.picture and sketch.mask
    sketch.picture.unlink()
    sketch.mask.unlink()
    place.service.stop(jobs[1], "ada")
    gc.collect()
    assert len(place.kept) == 2
    place.jobs.open()
    assert isinstance(ended(place.jobs, jobs[0]), Finished)
    assert place.requests[0].image.getpixel((0, 0)) == (0, 0, 255)
    until(lambda: place.kept == [])


def test_a_file_that_has_changed_is_a_sentence(place: Place, sketch: Sketch) -> None:
    job = place.service.start(replace(sketch, mask=None), {}, "ada")
    (kept,) = place.kept
    kept.unlink()
    Image.new("RGB", (40, 32), "red").save(kept, "PNG")
    place.jobs.open()
    assert ended(place.jobs, job) == Failed(GONE)
    assert place.requests == []


def test_a_click_that_is_refused_keeps_nothing(place: Place, sketch: Sketch) -> None:
    for values in ({"strength": 2.0}, {"strengths": "all"}, {"eta": 0.5, "scheduler": "euler"}):
        with pytest.raises(ValueError, match=r"\.$"):
            place.service.start(sketch, values, "ada")
    for _ in range(24):
        place.service.start(sketch, {}, "ada")
    with pytest.raises(ValueError, match="24 edits here"):
        place.service.start(sketch, {}, "ada")
    assert len(place.kept) == 48  # a picture and a mask each


def test_a_header_beyond_a_limit_is_refused_at_the_click(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(8001, 8000))
    with pytest.raises(ValueError, match="64 million is the most"):
        place.service.start(Sketch(path, None, None, 2048, 2048), {}, "ada")


def test_layers_beyond_the_budget_are_refused() -> None:
    file = PictureFile(Path("p"), 1, "", 8000, 8000)
    Layers(file, None, file, file.size).check_budget()
    with pytest.raises(ValueError, match=r"take \d+ MB of memory; 512 MB are the most"):
        Layers(file, file, file, file.size).check_budget()


def test_a_reference_is_to_a_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (9, 8)).save(path)
    file = refer(path)
    assert (file.size, file.bytes) == ((9, 8), path.stat().st_size)
    assert file == refer(path) and file.whole() == path
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=GONE):
        file.whole()


GROWTH = """
import sys
from pathlib import Path
from components.contract.sketch import Sketch
from tests.peak import peak
from tests.studio.runs.test_orders import Place

place = Place(Path(sys.argv[1]))
sketch = Sketch(Path(sys.argv[2]), None, Path(sys.argv[3]), 2000, 1280)
place.service.start(sketch.__class__(*[Path(sys.argv[3])] * 3, 2000, 1280), {}, "ada")  # imports
before = peak()
for _ in range(23):
    place.service.start(sketch, {}, "ada")
print(peak() - before)
"""


def test_24_waiting_edits_of_40_megapixels_take_no_more_than_300_mb(tmp_path: Path) -> None:
    picture, mask = tmp_path / "picture.png", tmp_path / "mask.png"
    write_large(picture, 8000, 5120)
    Image.new("L", (2000, 1280), 255).save(mask)
    run = subprocess.run(
        [sys.executable, "-c", GROWTH, str(tmp_path), str(picture), str(mask)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) <= 300
