"""What is measured, each as the literature defines it; pictures are [h, w, 3] uint8.

LPIPS and DINO need weights that are not here: diversity is measured in pixels, structure in the
critic's features, and both say so where they are reported.
"""

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
from skimage.metrics import mean_squared_error, structural_similarity

CEILING = 100.0  # dB: equal pictures count as this, so that means exist


def psnr(a: np.ndarray, b: np.ndarray, keep: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB, at most CEILING.

    With `keep` [h, w] bool, of the pictures blackened elsewhere: the mean is over the whole frame,
    as in PIE-Bench (Ju et al., arXiv:2310.01506).
    """
    error = float(mean_squared_error(_kept(a, keep), _kept(b, keep)))
    return CEILING if error == 0 else min(CEILING, float(10 * np.log10(255**2 / error)))


def ssim(a: np.ndarray, b: np.ndarray, keep: np.ndarray | None = None) -> float:
    """Structural similarity (Wang et al., 2004): Gaussian windows of sigma 1.5; `keep` as above."""
    similarity = structural_similarity(
        _kept(a, keep),
        _kept(b, keep),
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(np.mean(similarity))


def largest(a: np.ndarray, b: np.ndarray, keep: np.ndarray | None = None) -> float:
    """The largest difference of one value, of 255."""
    return float(np.abs(_kept(a, keep).astype(int) - _kept(b, keep)).max())


def l2(a: np.ndarray, b: np.ndarray) -> float:
    """SDEdit's faithfulness: L2 between pictures in [0, 1], summed over pixels (2108.01073)."""
    return float(np.linalg.norm(a.astype(float) - b) / 255)


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """Kernel inception distance between features [n, d] and [m, d] (Binkowski, 1801.01401).

    The unbiased estimate of MMD^2 with the kernel (x·y / d + 1)^3; it may fall below 0.
    """
    x, y = a.astype(float), b.astype(float)
    n, m = len(x), len(y)
    if min(n, m) < 2:
        return float("nan")
    within = _kernel(x, x), _kernel(y, y)
    sums = [kernel.sum() - kernel.trace() for kernel in within]
    return float(sums[0] / (n * (n - 1)) + sums[1] / (m * (m - 1)) - 2 * _kernel(x, y).mean())


def structure_distance(a: np.ndarray, b: np.ndarray) -> float:
    """How far two pictures' cells [p, d] are alike among themselves in other ways.

    Mean squared difference of the cosine self-similarities (Tumanyan et al., arXiv:2201.00424).
    """
    return float(np.mean((_self_similarity(a) - _self_similarity(b)) ** 2))


def diversity(pictures: Sequence[np.ndarray], mask: np.ndarray) -> float:
    """The mean over pairs of the root mean square difference inside `mask`, pixels in [0, 1]."""
    inside = [picture[mask].astype(float) / 255 for picture in pictures]
    pairs = list(combinations(inside, 2))
    if not pairs or not mask.any():
        return float("nan")
    return float(np.mean([np.sqrt(np.mean((a - b) ** 2)) for a, b in pairs]))


def rim(mask: np.ndarray, width: int = 4) -> np.ndarray:
    """The ring [h, w] bool of `width` pixels on either side of a mask's edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    solid = mask.astype(np.uint8)
    return (cv2.dilate(solid, kernel) > 0) & (cv2.erode(solid, kernel) == 0)


def seam(picture: np.ndarray, source: np.ndarray, where: np.ndarray) -> float:
    """The mean absolute difference of 255 at the pixels `where`, which no edit need touch."""
    if not where.any():
        return float("nan")
    return float(np.abs(picture[where].astype(float) - source[where]).mean())


def _kept(picture: np.ndarray, keep: np.ndarray | None) -> np.ndarray:
    return picture if keep is None else picture * keep[..., None].astype(np.uint8)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _self_similarity(cells: np.ndarray) -> np.ndarray:
    unit = cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-8)
    return unit @ unit.T


def overlap(found: Sequence[np.ndarray], truth: np.ndarray) -> float:
    """Mean intersection over union of masks [h, w] with a true one; NaN where that is empty."""
    if not truth.any():
        return float("nan")
    return float(np.mean([(each & truth).sum() / (each | truth).sum() for each in found]))
