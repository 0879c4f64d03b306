"""Laws of the curves: what the log says is drawn, in order, and a fall is seen as a fall."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training import curves

LOG = """02:46:54 denoiser: 1% of 67 min, step 30, loss 0.9, rate 4.1e-04
02:47:20 autoencoder: held-out PSNR 30.1
02:47:27 denoiser: 2% of 67 min, step 56, loss 0.5, rate 8.1e-04
03:01:02 ranker: 5% of 12 min, step 9, loss 3.25, rate 1.0e-03
09:00:00 denoiser: 1% of 92 min, step 12, loss 0.2, rate 1.0e-03
"""


def test_the_log_is_read_by_stage_across_restarts(tmp_path: Path):
    (tmp_path / "training.log").write_text(LOG)
    found = curves.read(tmp_path / "training.log")
    assert found == {"denoiser": [0.9, 0.5, 0.2], "ranker": [3.25]}


def test_a_falling_loss_falls_on_the_sheet():
    sheet = np.asarray(curves.draw({"denoiser": [3.0, 2.0, 1.0, 0.0]}))
    drawn = np.abs(sheet.astype(int) - curves.LINE).sum(-1) < 30
    rows, columns = np.nonzero(drawn)
    assert np.corrcoef(rows, columns)[0, 1] > 0.95


def test_every_stage_has_its_panel():
    width, height = curves.PANEL
    assert curves.draw({"a": [1.0], "b": [1.0, 2.0], "c": [2.0]}).size == (2 * width, 2 * height)
