"""Photographs of strangers: the sample pictures that scikit-image and scikit-learn bring along.

Only for measuring what the autoencoder makes of a user's own picture; nothing learns from them.
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 256  # pixels
NAMES = (  # of skimage.data, those that come in its package
    "astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "retina",
    "rocket",
)  # fmt: skip


def load() -> np.ndarray:
    """The pictures, cut to their middle square, [n, 256, 256, 3] uint8.

    Raises ImportError where the packages (requirements-dev.txt) are not installed.
    """
    from skimage import data
    from sklearn.datasets import load_sample_images

    pictures = [getattr(data, name)() for name in NAMES]
    motorcycle = data.stereo_motorcycle()[0]
    return np.stack(
        [_square(each) for each in [*pictures, motorcycle, *load_sample_images().images]]
    )


def _square(picture: np.ndarray) -> np.ndarray:
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    middle = picture[top : top + side, left : left + side, :3]
    return cv2.resize(middle, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
