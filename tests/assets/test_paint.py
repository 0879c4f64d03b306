"""Pixels and strokes in a browser: what is painted, and that undoing puts back what was there."""

from typing import Any

import pytest

pytestmark = pytest.mark.browser

SETUP = """
  const { Sheet } = await import("/canvas/sheet.js");
  const { Stroke } = await import("/canvas/stroke.js");
  const { Shape } = await import("/canvas/shape.js");
  const { History } = await import("/canvas/history.js");
  const P = await import("/canvas/pixels.js");
  const data = (canvas) => Array.from(P.pixels(canvas).data);
  const at = (canvas, x, y) => Array.from(P.pen(canvas).getImageData(x, y, 1, 1).data);
  const touch = (x, y, radius = 4, alpha = 1) => ({ x, y, radius, alpha });
  const how = { color: "#204060", softness: 0, erase: false };
"""


def run(page: Any, script: str) -> Any:
    return page.evaluate(f"async () => {{ {SETUP} {script} }}")


def test_a_stroke_paints_its_colour_and_nothing_else(bare: Any) -> None:
    found = run(
        bare,
        """
        const sheet = new Sheet(32, 24);
        const stroke = new Stroke(sheet, "strokes", how);
        stroke.extend([touch(8, 12), touch(24, 12)]);
        const step = stroke.finish();
        return [at(sheet.strokes, 8, 12), at(sheet.strokes, 20, 12), at(sheet.strokes, 16, 2),
                step.layer, P.isBlank(sheet.mask)];
        """,
    )
    assert found == [[32, 64, 96, 255], [32, 64, 96, 255], [0, 0, 0, 0], "strokes", True]


def test_an_eraser_takes_away_what_it_touches(bare: Any) -> None:
    found = run(
        bare,
        """
        const sheet = new Sheet(32, 24);
        P.pen(sheet.mask).fillRect(0, 0, 32, 24);
        const stroke = new Stroke(sheet, "mask", { ...how, erase: true });
        stroke.extend([touch(16, 12)]);
        stroke.finish();
        return [at(sheet.mask, 16, 12)[3], at(sheet.mask, 2, 2)[3]];
        """,
    )
    assert found == [0, 255]


def test_a_stroke_that_crosses_itself_does_not_build_up(bare: Any) -> None:
    found = run(
        bare,
        """
        const sheet = new Sheet(40, 40);
        const stroke = new Stroke(sheet, "strokes", how);
        const half = (x, y) => touch(x, y, 4, 0.5);
        stroke.extend([half(5, 20), half(35, 20), half(35, 5), half(20, 5), half(20, 35)]);
        stroke.finish();
        return Math.max(...data(sheet.strokes).filter((_, i) => i % 4 === 3));
        """,
    )
    assert found == 128  # half of 255, as the canvas rounds it


@pytest.mark.parametrize("erase", ["true", "false"])
@pytest.mark.parametrize("lasso", ["true", "false"])
def test_a_shape_fills_or_cuts_out(bare: Any, lasso: str, erase: str) -> None:
    found = run(
        bare,
        f"""
        const sheet = new Sheet(32, 24);
        if ({erase}) P.pen(sheet.mask).fillRect(0, 0, 32, 24);
        const shape = new Shape(sheet, "mask",
            {{ color: "#ff0000", alpha: 1, erase: {erase}, lasso: {lasso} }});
        shape.extend([[8, 6], [24, 6], [24, 18]].map(([x, y]) => ({{ x, y }})));
        if ({lasso}) shape.extend([{{ x: 8, y: 18 }}]);
        shape.finish();
        return [at(sheet.mask, 16, 12)[3], at(sheet.mask, 4, 4)[3], at(sheet.mask, 28, 20)[3]];
        """,
    )
    assert found == ([0, 255, 255] if erase == "true" else [255, 0, 0])


@pytest.mark.parametrize("cancelled", ["true", "false"])
def test_undo_and_redo_give_back_every_pixel(bare: Any, cancelled: str) -> None:
    """Ten soft strokes over each other, back to nothing and forth again, bit for bit."""
    found = run(
        bare,
        f"""
        const sheet = new Sheet(48, 48);
        const history = new History();
        const states = [data(sheet.strokes)];
        for (let n = 0; n < 10; n++) {{
          const soft = {{ color: "#d9432f", softness: 0.7, erase: n % 3 === 2 }};
          const stroke = new Stroke(sheet, "strokes", soft);
          stroke.extend([touch(5 + n, 40 - 3 * n, 6, 0.6), touch(40 - n, 8 + 2 * n, 9, 0.9)]);
          if ({cancelled} && n % 2) {{ stroke.cancel(); continue; }}
          history.record(stroke.finish());
          states.push(data(sheet.strokes));
        }}
        const swap = (step) => {{
          const {{ x, y, pixels: part }} = step;
          step.pixels = P.surface(part.width, part.height, sheet.strokes, x, y);
          P.pen(sheet.strokes).clearRect(x, y, part.width, part.height);
          P.pen(sheet.strokes).drawImage(part, x, y);
        }};
        const same = (n) => data(sheet.strokes).every((value, i) => value === states[n][i]);
        const right = [];
        for (let n = states.length - 2; n >= 0; n--) right.push(history.back(swap) && same(n));
        right.push(!history.back(swap));
        for (let n = 1; n < states.length; n++) right.push(history.forth(swap) && same(n));
        right.push(!history.forth(swap));
        return right;
        """,
    )
    steps = 5 if cancelled == "true" else 10
    assert found == [True] * (2 * steps + 2)


def test_a_mask_becomes_gray_and_comes_back(bare: Any) -> None:
    found = run(
        bare,
        """
        const mask = P.surface(256, 1);
        const image = new ImageData(256, 1);
        for (let x = 0; x < 256; x++) image.data.set([217, 67, 47, x], 4 * x);
        P.pen(mask).putImageData(image, 0, 0);
        const gray = P.grayMask(mask);
        const back = P.maskFromGray(P.surface(256, 1, gray), "#00ff00");
        const levels = (canvas, channel) => data(canvas).filter((_, i) => i % 4 === channel);
        return [levels(gray, 0), levels(gray, 3), levels(back, 3), at(back, 255, 0)];
        """,
    )
    gray, opaque, back, colour = found
    assert gray == list(range(256))
    assert opaque == [255] * 256
    assert back == list(range(256))
    assert colour == [0, 255, 0, 255]


def test_tinting_keeps_how_strongly_it_is_painted(bare: Any) -> None:
    found = run(
        bare,
        """
        const canvas = P.surface(2, 1);
        const painted = new Uint8ClampedArray([9, 9, 9, 0, 9, 9, 9, 255]);
        P.pen(canvas).putImageData(new ImageData(painted, 2, 1), 0, 0);
        P.tint(canvas, "#102030");
        return data(canvas);
        """,
    )
    assert found == [0, 0, 0, 0, 16, 32, 48, 255]
