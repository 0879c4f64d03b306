"""Draw a scene: `render(scene)` gives the picture, an exact mask for every part, and its caption.

The picture is built from back to front (sky, light, clouds, mountains, ground, fog, things, rain or
snow) in float32 [256, 256, 3]. Each part draws its chance from its own stream, named by the part
and the scene's seed, so that changing one word leaves every other part as it was, pixel for pixel.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np

from training import palette, textures, things
from training.captions import caption
from training.palette import rgb
from training.scene import FLYING, Scene, Thing

SIZE = 256
HORIZON = 150  # the first row of the ground

Masks = dict[str, np.ndarray]


class Postcard(NamedTuple):
    """A drawn scene."""

    image: np.ndarray  # [256, 256, 3] uint8, RGB
    masks: Masks  # [256, 256] bool by part: sky, light, mountains, ground, object, trace
    caption: str


class Place(NamedTuple):
    """Where a thing is: its box in pixels, and whether it flies."""

    left: int
    top: int
    height: int  # the box is square
    flies: bool

    @property
    def foot(self) -> int:
        return self.top + self.height

    @property
    def centre(self) -> int:
        return self.left + self.height // 2


def render(scene: Scene) -> Postcard:
    """Draw one scene. Same scene, same pixels.

    The masks of sky, mountains, ground and object part the picture: each pixel is in exactly one.
    `light` (the disc of the sun or the moon) lies within the sky. `object` is every thing there is,
    `first` and `other` each by itself. `trace` is what the things leave outside themselves: shadow,
    reflection, the islet under them. Rain and falling snow lie over everything and have no mask.
    """
    if scene.ground == "plain":
        picture, light, peaks = _backdrop(scene), *np.zeros((2, SIZE, SIZE), bool)
    else:
        picture, light = _sky(scene)
        peaks = _mountains(scene, picture)
        _ground(scene, picture)
    masks = _part(peaks, light, 0 if scene.ground == "plain" else HORIZON)
    if scene.weather == "fog":
        _fog(scene, picture)
    masks |= _things(scene, picture, masks)
    if scene.weather in ("rain", "snowfall"):
        _fall(scene, picture)
    image = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    return Postcard(image, masks, caption(scene))


def places(scene: Scene) -> list[Place]:
    """Where the things of a scene stand, without drawing them."""
    return [_place(scene, thing, name) for name, thing in _named_things(scene)]


def _part(peaks: np.ndarray, light: np.ndarray, horizon: int) -> Masks:
    ground = np.zeros((SIZE, SIZE), bool)
    ground[horizon:] = True
    peaks = peaks & ~ground
    sky = ~peaks & ~ground
    return {"sky": sky, "light": light & sky, "mountains": peaks, "ground": ground}


def _backdrop(scene: Scene) -> np.ndarray:
    """A studio's paper: pale, of a hue that has no name, darker towards the foot."""
    rng = _stream(scene, "backdrop")
    top, foot = (rgb(colour) * rng.uniform(0.92, 1.03, 3) for colour in palette.GROUNDS["plain"])
    depth = np.linspace(0, 1, SIZE)[:, None, None]
    return np.repeat(top + depth * (foot - top), SIZE, 1).astype(np.float32)


# --- sky ------------------------------------------------------------------------------------------


def _sky(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The upper part of the picture, on a full canvas, and the disc of its light (may be empty)."""
    stops = np.stack([rgb(stop) for stop in palette.SKIES[scene.time]])
    rows = np.linspace(0, 2, HORIZON + 20)
    column = np.stack([np.interp(rows, [0, 1, 2], stops[:, channel]) for channel in range(3)], 1)
    column = np.concatenate([column, np.repeat(column[-1:], SIZE - len(column), 0)])
    picture = np.repeat(column[:, None].astype(np.float32), SIZE, 1)
    if scene.time == "night":
        _stars(scene, picture)
    bare = picture.copy()
    light = _light(scene, picture)
    if scene.clouds:
        _clouds(scene, picture, np.abs(picture - bare).max(-1))
    return picture, light


def _stars(scene: Scene, picture: np.ndarray) -> None:
    rng = _stream(scene, "stars")
    for _ in range(70):
        x, y = rng.integers(2, SIZE - 2), rng.integers(2, HORIZON - 10)
        shine = rng.uniform(0.4, 1.0)
        picture[y, x] += shine * (1 - picture[y, x])
        if shine > 0.8:
            picture[y - 1 : y + 2, x] += 0.45 * (1 - picture[y - 1 : y + 2, x])
            picture[y, x - 1 : x + 2] += 0.45 * (1 - picture[y, x - 1 : x + 2])


def _light(scene: Scene, picture: np.ndarray) -> np.ndarray:
    """The sun or the moon with its glow, drawn in place; returns its disc as a mask."""
    if not scene.light:
        return np.zeros((SIZE, SIZE), bool)
    rng = _stream(scene, "light")
    x = 128 + _side(scene) * rng.uniform(56, 98)
    low = scene.time in ("sunset", "dawn")  # but never behind the highest ridge
    y = rng.uniform(46, 62) if low else rng.uniform(28, 50)
    radius = rng.uniform(16, 20)
    ys, xs = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    distance = np.hypot(xs - x, ys - y)
    colour = rgb(palette.LIGHTS[scene.time])
    glow = 0.55 * np.exp(-np.maximum(distance - radius, 0) / (34 if low else 20))
    disc = np.clip(radius - distance + 0.5, 0, 1)
    veil = np.maximum(glow * (0.5 if scene.time == "night" else 1.0), disc)[..., None]
    picture += veil * (colour - picture)
    if scene.time == "night":
        crater = np.clip(radius * 0.3 - np.hypot(xs - x - 4, ys - y + 3) + 0.5, 0, 1)[..., None]
        picture -= 0.12 * crater * disc[..., None]
    return distance <= radius


def _clouds(scene: Scene, picture: np.ndarray, shine: np.ndarray) -> None:
    """Drift of fractal noise, drawn in place; it thins where the light shines [256, 256]."""
    storm = scene.time == "storm"
    rng = _stream(scene, "clouds")
    noise = textures.fractal(rng, SIZE, cells=(5, 2 if storm else 3))
    rows = np.linspace(0, 1, SIZE)[:, None]
    fade = np.clip((0.56 - rows) / 0.2, 0, 1)
    clear = np.quantile(noise[: SIZE // 2], 0.2 if storm else 0.45)  # some of every sky is covered
    cover = np.clip((noise - clear) * (5 if storm else 6), 0, 1) * fade
    cover *= 1 - 0.85 * np.clip(shine * 2.5, 0, 1)
    shade = np.clip(1.06 - 0.26 * np.pad(cover, ((7, 0), (0, 0)), "edge")[:SIZE], 0.8, 1)[..., None]
    colour = rgb(palette.CLOUDS[scene.time]) * shade
    picture += 0.92 * cover[..., None].astype(np.float32) * (colour - picture)


# --- land -----------------------------------------------------------------------------------------


def _mountains(scene: Scene, picture: np.ndarray) -> np.ndarray:
    """Two ranges, the farther one hazy, drawn in place; returns where they stand."""
    peaks = np.zeros((SIZE, SIZE), bool)
    if scene.mountains == "none":
        return peaks
    rng = _stream(scene, "mountains")
    haze = rgb(palette.SKIES[scene.time][2])
    for height, veil in ((78, 0.4), (46, 0.0)):
        ridge = _ridge(rng, scene.mountains, height)
        surface = _surface(rng, scene, ridge)
        surface += veil * (haze - surface)
        cover = np.clip(np.arange(SIZE)[:, None] - ridge + 0.5, 0, 1).astype(np.float32)
        picture += cover[..., None] * (surface - picture)
        peaks |= cover > 0.5
    return peaks


def _ridge(rng: np.random.Generator, kind: str, height: float) -> np.ndarray:
    """The row of the skyline for each column [256]."""
    if kind == "green hills":
        line = textures.line(rng, SIZE, cells=(2, 4), weights=(1.0, 0.25))
        height *= 0.72
    elif kind == "red cliffs":
        line = textures.line(rng, SIZE, cells=(5, 11), weights=(1.0, 0.3))
        line = np.clip((line - 0.5) * 3.2 + 0.55, 0.12, 1) * 0.8 + 0.12 * line
    else:
        line = 1 - np.abs(2 * textures.line(rng, SIZE, (4, 9, 21), (1.0, 0.42, 0.14)) - 1)
        line = line**1.1
    return HORIZON - height * (0.22 + 0.9 * line)


def _surface(rng: np.random.Generator, scene: Scene, ridge: np.ndarray) -> np.ndarray:
    """The colour of a range at every pixel [256, 256, 3], lit from the left."""
    rock, top = (rgb(colour) for colour in palette.MOUNTAINS[scene.mountains])
    depth = np.arange(SIZE)[:, None] - ridge
    grain = textures.fractal(rng, SIZE, cells=(10, 10))
    slope = cv2.GaussianBlur(np.gradient(ridge).astype(np.float32)[None], (0, 0), 2)
    lit = np.clip(0.86 - 0.22 * np.clip(slope, -1, 1) + 0.35 * (grain - 0.5), 0.5, 1.15)
    if scene.mountains == "red cliffs":
        strata = 0.5 + 0.5 * np.sin(np.arange(SIZE)[:, None] * 0.62 + 5 * grain)
        blend = 0.75 * strata
    elif scene.mountains == "snowy mountains":
        blend = np.clip((24 - depth + 44 * (grain - 0.5)) / 5, 0, 1)
    else:
        blend = np.clip(1 - depth / 46, 0, 1)
    colour = rock + blend[..., None] * (top - rock)
    return (colour * lit[..., None] * _tint(scene)).astype(np.float32)


def _ground(scene: Scene, picture: np.ndarray) -> None:
    """What lies in front, drawn in place over the rows from the horizon down."""
    if scene.ground == "lake":
        _lake(scene, picture)
        return
    rng = _stream(scene, "ground")
    far, near = (rgb(colour) for colour in palette.GROUNDS[scene.ground])
    depth = np.linspace(0, 1, SIZE - HORIZON)[:, None]
    land = np.repeat((far + depth[..., None] * (near - far)), SIZE, 1)
    land = land * _relief(rng, scene.ground, depth)[..., None]
    if scene.ground == "meadow":
        _flowers(rng, land)
    picture[HORIZON:] = land * _tint(scene)


def _relief(rng: np.random.Generator, ground: str, depth: np.ndarray) -> np.ndarray:
    """Light and shade on the land [106, 256], about 1."""
    rows = SIZE - HORIZON
    grain = textures.fractal(rng, SIZE, cells=(6, 14))[:rows]
    if ground == "field":
        vanishing = rng.uniform(90, 166)
        spread = (np.arange(SIZE)[None] - vanishing) / (0.12 + depth)
        return 0.9 + 0.16 * np.sin(spread * 0.13) * np.clip(depth * 3, 0, 1) + 0.1 * (grain - 0.5)
    if ground == "sand":
        dunes = textures.fractal(rng, SIZE, cells=(3, 3), octaves=2)[:rows]
        phase = 26 * np.sqrt(depth) + 5 * dunes + 0.6 * grain
        return 0.96 + 0.07 * np.sin(phase * 2.2) * np.clip(depth * 2, 0.2, 1)
    if ground == "snow":
        return 0.93 + 0.28 * (grain - 0.5)
    return 0.95 + 0.4 * (grain - 0.5)


def _flowers(rng: np.random.Generator, land: np.ndarray) -> None:
    blossoms = [rgb(palette.COLOURS[name]) for name in ("white", "yellow", "red")]
    for _ in range(60):
        depth = rng.uniform(0.15, 1)
        x, y = int(rng.integers(2, SIZE - 2)), int(depth * (len(land) - 3))
        size = 1 if depth < 0.5 else 2
        land[y : y + size, x : x + size] = blossoms[rng.integers(3)]


def _lake(scene: Scene, picture: np.ndarray) -> None:
    """Water mirrors what stands above the horizon, darker and bluer towards the viewer."""
    rng = _stream(scene, "ground")
    rows = SIZE - HORIZON
    depth = np.linspace(0, 1, rows)[:, None]
    phase = rng.uniform(0, 6.28)
    xs, ys = np.meshgrid(np.arange(SIZE), np.arange(rows))
    swell = np.sin(34 * np.sqrt(depth + 0.02) + phase + 0.03 * xs) * (0.6 + 3.2 * depth)
    sway = np.sin(50 * np.sqrt(depth + 0.02) + 0.02 * xs)
    mirror = cv2.remap(
        picture,
        (xs + 1.5 * sway).astype(np.float32),
        (HORIZON - 1 - ys * 1.05 + swell).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    far, near = (rgb(colour) for colour in palette.GROUNDS["lake"])
    water = (far + depth[..., None] * (near - far)) * _tint(scene)
    blend = (0.42 + 0.3 * depth)[..., None]
    glint = 0.05 * np.clip(swell / (0.6 + 3.2 * depth), 0, 1)[..., None]
    picture[HORIZON:] = mirror + blend * (water - mirror) + glint


# --- the things -----------------------------------------------------------------------------------


def _named_things(scene: Scene) -> list[tuple[str, Thing]]:
    pair = (("first", scene.thing), ("other", scene.other))
    return [(name, thing) for name, thing in pair if thing]


def _things(scene: Scene, picture: np.ndarray, masks: Masks) -> Masks:
    """Draw the things and their traces in place; returns every mask that they change."""
    before = picture.copy()
    found = {name: np.zeros((SIZE, SIZE), bool) for name in ("first", "other")}
    for name, thing in _named_things(scene):
        found[name] = _thing(scene, thing, _place(scene, thing, name), picture)
    found["first"] &= ~found["other"]  # the second is drawn over the first
    whole = found["first"] | found["other"]
    changed = {name: masks[name] & ~whole for name in ("sky", "light", "mountains", "ground")}
    trace = np.any(picture != before, -1) & ~whole
    return changed | found | {"object": whole, "trace": trace}


def _thing(scene: Scene, thing: Thing, place: Place, picture: np.ndarray) -> np.ndarray:
    """Draw one thing in place; returns its mask [256, 256]."""
    lamps = scene.time in ("night", "storm")
    paint, cover = things.draw(thing.kind, thing.colour, place.height, lamps)
    if scene.ground == "lake":
        _reflect(picture, paint * _tint(scene), cover, place)
    if not place.flies:
        _rest(scene, thing, picture, place)
    window = picture[place.top : place.foot, place.left : place.left + place.height]
    window += paint * _lamplight(scene, paint) - cover * window
    mask = np.zeros((SIZE, SIZE), bool)
    mask[place.top : place.foot, place.left : place.left + place.height] = cover[..., 0] > 0.5
    return mask


def _place(scene: Scene, thing: Thing, name: str) -> Place:
    """One thing stands opposite the sun; of two, the first stands left."""
    rng = _stream(scene, f"place {name}")
    flies = thing.kind in FLYING
    size, across, along = rng.uniform(0.9, 1.1), rng.uniform(-0.4, 1), rng.uniform(0, 1)
    height, shift = (104 if flies else 112), -44 * _side(scene) * across
    if scene.other:
        height, shift = 92, (-1 if name == "first" else 1) * (56 + 6 * across)
    height = round(height * size)
    foot = round(118 + 22 * along) if flies else round(192 + 30 * along)
    return Place(round(128 + shift - height / 2), foot - height, height, flies)


def _side(scene: Scene) -> int:
    """Where the sun is, or would be: -1 left, 1 right."""
    return int(_stream(scene, "side").choice([-1, 1]))


def _lamplight(scene: Scene, paint: np.ndarray) -> np.ndarray:
    """The tint of the hour, halved so that colours keep their names; it spares what shines."""
    tint = 0.45 + 0.55 * _tint(scene)
    if scene.time not in ("night", "storm"):
        return tint
    lit = np.abs(paint - rgb(palette.LAMP)).max(-1, keepdims=True) < 0.02
    return np.where(lit, np.float32(1), tint)


def _rest(scene: Scene, thing: Thing, picture: np.ndarray, place: Place) -> None:
    """A shadow on land; on water, an islet to stand on, or a wake for a boat."""
    ys, xs = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    if scene.ground == "lake" and thing.kind != "boat":
        islet = _disc(xs, ys, place.centre, place.foot, place.height * 0.56, 9)
        shore = rgb(palette.GROUNDS["meadow"][1]) * 0.9 * _tint(scene)
        picture += islet[..., None] * (shore - picture)
        return
    shadow = _disc(xs, ys, place.centre + 10, place.foot - 1, place.height * 0.46, 6)
    picture *= 1 - 0.32 * shadow[..., None]


def _reflect(picture: np.ndarray, paint: np.ndarray, cover: np.ndarray, place: Place) -> None:
    """The thing upside down in the water, below its foot (for a balloon, below the horizon)."""
    start = max(place.foot, 2 * HORIZON - place.foot) if place.flies else place.foot
    rows = min(place.height, SIZE - start)
    if rows <= 0:
        return
    window = picture[start : start + rows, place.left : place.left + place.height]
    window += 0.4 * (paint[::-1][:rows] - cover[::-1][:rows] * window)


def _disc(xs: np.ndarray, ys: np.ndarray, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """A flat ellipse with an edge one pixel soft, 0..1."""
    return np.clip((1 - np.hypot((xs - x) / rx, (ys - y) / ry)) * ry + 0.5, 0, 1)


# --- weather --------------------------------------------------------------------------------------


def _fog(scene: Scene, picture: np.ndarray) -> None:
    """Mist over the land, thickest at the horizon, drawn in place; things stand before it."""
    rng = _stream(scene, "fog")
    rows = np.arange(SIZE)[:, None]
    near = np.exp(-(((rows - HORIZON) / np.where(rows < HORIZON, 80, 60)) ** 2))
    drift = textures.fractal(rng, SIZE, cells=(6, 2), octaves=3)
    veil = np.clip(0.12 + 0.62 * near * (0.7 + 0.6 * drift), 0, 0.78)[..., None]
    mist = rgb(palette.MIST) * (0.35 + 0.65 * _tint(scene))
    picture += veil.astype(np.float32) * (mist - picture)


def _fall(scene: Scene, picture: np.ndarray) -> None:
    """Rain as slanting streaks, snow as flakes, over the whole picture, in place."""
    rng = _stream(scene, "fall")
    sheet = np.zeros((SIZE, SIZE), np.uint8)
    rain = scene.weather == "rain"
    for x, y in rng.uniform(-12, SIZE + 4, (70 if rain else 64, 2)):
        if rain:
            length = rng.uniform(20, 32)
            tail = (round((x - length / 4) * 8), round((y + length) * 8))
            cv2.line(sheet, (round(x * 8), round(y * 8)), tail, 255, 3, cv2.LINE_AA, 3)
        else:
            centre, radius = (round(x * 8), round(y * 8)), round(rng.uniform(2.2, 4.6) * 8)
            cv2.circle(sheet, centre, radius, 255, -1, cv2.LINE_AA, shift=3)
    ink = rgb(palette.RAIN if rain else palette.FLAKE) * (0.45 + 0.55 * _tint(scene))
    soft = cv2.GaussianBlur(sheet.astype(np.float32) / 255, (0, 0), 1.2)
    cover = (soft * (0.55 if rain else 0.95))[..., None]
    picture *= 0.9 if rain else 1.0
    picture += cover * (ink - picture)


def _tint(scene: Scene) -> np.ndarray:
    return np.asarray(palette.TINTS[scene.time], np.float32)


def _stream(scene: Scene, part: str) -> np.random.Generator:
    return np.random.default_rng([scene.seed, crc32(part.encode())])
