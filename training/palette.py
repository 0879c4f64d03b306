"""The colours of the world, each named once: the renderer paints with them, the studio shows them.

All are sRGB triples in 0..255 as a painter would write them; `rgb` gives them to numpy in 0..1.
"""

from __future__ import annotations

import numpy as np

Triple = tuple[int, int, int]

SKIES: dict[str, tuple[Triple, Triple, Triple]] = {  # zenith, middle, horizon
    "day": ((62, 134, 214), (122, 182, 236), (204, 230, 246)),
    "sunset": ((84, 62, 128), (226, 112, 92), (255, 206, 118)),
    "night": ((10, 14, 42), (22, 32, 74), (52, 66, 116)),
    "dawn": ((128, 150, 212), (232, 188, 212), (255, 226, 196)),
    "storm": ((52, 58, 70), (84, 92, 104), (138, 146, 152)),
}
TINTS: dict[str, tuple[float, float, float]] = {  # what the light of the hour does to a surface
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.02, 0.76, 0.66),
    "night": (0.36, 0.42, 0.62),
    "dawn": (0.98, 0.88, 0.92),
    "storm": (0.62, 0.66, 0.70),
}
LIGHTS: dict[str, Triple] = {
    "day": (255, 244, 190),
    "sunset": (255, 226, 150),
    "night": (244, 242, 222),
    "dawn": (255, 240, 214),
}
CLOUDS: dict[str, Triple] = {
    "day": (255, 255, 255),
    "sunset": (255, 178, 150),
    "night": (78, 88, 128),
    "dawn": (255, 236, 238),
    "storm": (44, 48, 58),
}
GROUNDS: dict[str, tuple[Triple, Triple]] = {  # far, near
    "meadow": ((138, 186, 88), (72, 140, 56)),
    "lake": ((96, 150, 190), (52, 100, 150)),
    "snow": ((226, 236, 246), (246, 250, 255)),
    "sand": ((226, 198, 146), (240, 214, 160)),
    "field": ((214, 172, 72), (232, 188, 70)),
    "plain": ((232, 228, 220), (214, 208, 198)),
}
MOUNTAINS: dict[str, tuple[Triple, Triple]] = {  # rock, and what lies on its top
    "snowy mountains": ((104, 112, 132), (250, 252, 255)),
    "blue mountains": ((72, 104, 164), (104, 138, 192)),
    "green hills": ((78, 128, 74), (112, 160, 88)),
    "red cliffs": ((172, 82, 54), (206, 116, 78)),
}
COLOURS: dict[str, Triple] = {
    "red": (208, 42, 40),
    "blue": (40, 84, 206),
    "white": (244, 242, 238),
    "yellow": (246, 204, 40),
    "green": (44, 150, 66),
    "purple": (142, 60, 176),
}
RAIN: Triple = (206, 218, 232)
FLAKE: Triple = (252, 253, 255)
MIST: Triple = (206, 210, 214)
WOOD: Triple = (110, 76, 50)
SLATE: Triple = (74, 70, 84)
GLASS: Triple = (58, 70, 96)
LAMP: Triple = (255, 214, 110)
ROCK: Triple = (124, 118, 108)


def rgb(triple: Triple) -> np.ndarray:
    """A colour as float32 [3] in 0..1."""
    return np.asarray(triple, np.float32) / 255.0


def swatches() -> list[tuple[str, str]]:
    """The world's colours for a painter's palette: (name, "#rrggbb")."""
    pots = {"sun": LIGHTS["day"], "cloud": CLOUDS["day"]}
    for time, (zenith, _, horizon) in SKIES.items():
        pots |= {f"{time} sky, high": zenith, f"{time} sky, low": horizon}
    pots |= {ground: near for ground, (_, near) in GROUNDS.items()}
    pots |= {mountains: rock for mountains, (rock, _) in MOUNTAINS.items()}
    pots |= COLOURS | {"wood": WOOD, "roof": SLATE}
    return [(name, "#{:02x}{:02x}{:02x}".format(*pot)) for name, pot in pots.items()]
