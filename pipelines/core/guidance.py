"""Networks and words → `predict`."""

from torch import Tensor, cat

from pipelines.core.bundle import Bundle, Conditioning
from pipelines.core.sampling import Moment, Predict


def guided(
    bundle: Bundle, words: Conditioning, without: Conditioning, guidance_scale: float
) -> Predict:
    """Classifier-free guidance (Ho & Salimans, arXiv:2207.12598): e_u + w (e_c - e_u).

    A scale of 1 or less skips the unconditional half, as in diffusers. `words` and `without` are
    one row each, shared by every row of the batch.
    """
    if guidance_scale <= 1:

        def plain(x: Tensor, moment: Moment) -> Tensor:
            return bundle.predict(x, moment.t, words.rows(len(x)))

        return plain

    def predict(x: Tensor, moment: Moment) -> Tensor:
        both = without.rows(len(x)).over(words.rows(len(x)))
        unconditional, conditional = bundle.predict(cat([x, x]), moment.t, both).chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    return predict
