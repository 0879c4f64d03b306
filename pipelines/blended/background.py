"""What an edit's surroundings become: the tones an autoencoder shifted, and Poisson blending."""

import cv2
import numpy as np
from PIL import Image

from pipelines.core.outline import Pixels

REACH = 16  # tones are compared over a 16th of the longer side
TRUST = 1e-3  # how little of the surroundings must be near before the mean of all is taken
LOST = 3  # cv2.seamlessClone leaves out this much of a mask's rim, in pixels


def toned(drawn: Image.Image, source: Image.Image, mask: Image.Image) -> Image.Image:
    """`drawn` with the low frequencies by which its surroundings differ from `source` put right.

    An autoencoder does not give a picture's tones back exactly, and where an edit meets the
    original that is a seam. Outside the mask both are known: their difference, blurred and
    continued into the mask (normalised convolution), is added. All three are of one size; where
    the mask is full nothing is known and `drawn` comes back.
    """
    known = (np.asarray(mask) == 0).astype(np.float32)
    if not known.any():
        return drawn
    pixels = np.asarray(drawn, np.float32)
    missing = (np.asarray(source, np.float32) - pixels) * known[..., None]
    mean = missing.sum((0, 1)) / known.sum()
    sigma = max(drawn.size) / REACH
    near = cv2.GaussianBlur(known, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[..., None]
    spread = cv2.GaussianBlur(missing, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    shift = (spread + TRUST * mean) / (near + TRUST)
    return Image.fromarray((pixels + shift).round().clip(0, 255).astype(np.uint8))


def solvable(mask: Image.Image) -> bool:
    """Whether Poisson blending has anything to do: a rim, and pixels that OpenCV does not drop."""
    padded = _padded(_inside(mask), cv2.BORDER_CONSTANT)
    core = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=LOST)
    return bool(core.any()) and not _inside(mask).all()


def cloned(drawn: Image.Image, source: Image.Image, mask: Image.Image) -> Image.Image:
    """The gradients of `drawn` inside the mask, continued from `source` at its rim.

    Poisson blending (Pérez et al., 2003) by OpenCV's NORMAL_CLONE. All three are of one size; the
    mask must be `solvable`. Beyond the frame the source goes on as its edge, so that a mask may
    touch the frame.
    """
    padded = _padded(_inside(mask), cv2.BORDER_CONSTANT)
    left, top, width, height = cv2.boundingRect(padded)
    whole = cv2.seamlessClone(
        _padded(np.asarray(drawn), cv2.BORDER_REPLICATE),
        _padded(np.asarray(source), cv2.BORDER_REPLICATE),
        padded,
        (left + width // 2, top + height // 2),
        cv2.NORMAL_CLONE,
    )
    margin = LOST + 1
    return Image.fromarray(np.ascontiguousarray(whole[margin:-margin, margin:-margin]))


def _inside(mask: Image.Image) -> Pixels:
    return ((np.asarray(mask) > 0) * 255).astype(np.uint8)


def _padded(pixels: Pixels, border: int) -> Pixels:
    margin = LOST + 1
    return cv2.copyMakeBorder(pixels, margin, margin, margin, margin, border).astype(np.uint8)
