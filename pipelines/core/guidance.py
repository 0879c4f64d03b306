"""Networks and words → `predict`."""

from torch import Tensor, cat

from pipelines.core.sampling import Moment, Predict
from pipelines.networks.conditioning import Conditioning
from pipelines.networks.protocol import Networks


def guided(
    networks: Networks,
    words: Conditioning,
    without: Conditioning,
    guidance_scale: float,
    unguided: int = 0,
) -> Predict:
    """Classifier-free guidance (Ho & Salimans, arXiv:2207.12598): e_u + w (e_c - e_u).

    A scale of 1 or less skips the unconditional half, as in diffusers. `words` and `without` are
    one row, shared by every row of the batch, or a row each. The first `unguided` rows follow the
    words alone and are not in the unconditional half.
    """
    if guidance_scale <= 1:

        def plain(x: Tensor, moment: Moment) -> Tensor:
            return networks.predict(x, moment.t, words.rows(len(x)))

        return plain

    def predict(x: Tensor, moment: Moment) -> Tensor:
        steered = x[unguided:]
        both = without.rows(len(steered)).over(words.rows(len(x)))
        output = networks.predict(cat([steered, x]), moment.t, both)
        unconditional, conditional = output.tensor_split([len(steered)])
        followed, conditional = conditional.tensor_split([unguided])
        return cat([followed, unconditional + guidance_scale * (conditional - unconditional)])

    return predict
