"""Pillow reads only what the studio means to read, whoever in the process calls it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

SCENE = """
import io
from PIL import Image, UnidentifiedImageError
from studio.inputs import validation

def encoded(form):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, form)
    return file.getvalue()

eps, tiff = encoded("EPS"), encoded("TIFF")
validation.restrict_pillow()
for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"):
    assert Image.open(io.BytesIO(encoded(form))).size == (8, 8), form
for data in (eps, tiff):
    try:
        Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        continue
    raise SystemExit("opened what it must not")
print("held", Image.MAX_IMAGE_PIXELS)
"""


def test_after_the_start_pillow_opens_only_the_allowed_formats() -> None:
    # In a process of its own: it changes Pillow for good.
    run = subprocess.run(
        [sys.executable, "-c", SCENE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.stdout == "held 32000000\n", run.stderr
