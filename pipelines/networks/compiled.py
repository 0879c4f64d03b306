"""A denoiser that is compiled while it works (torch.compile), one form for each kind of call.

A call of new shapes runs as it is, and so do the next ones of its kind until their compiled form,
made in another thread, is there: nobody waits. Compiled kernels round otherwise, so from then on
pictures differ by about 1 of 255.
"""

import copy
import logging
import threading
from typing import Any

import torch
from torch import Tensor

from pipelines.networks import affinity

log = logging.getLogger(__name__)

MOST = 8  # kinds of calls; torch makes no more forms of one network
MAKING = "The model is being compiled; what comes next will be faster."
FAILED = "The model could not be compiled here (the log says why), so it runs as it is."

Kind = tuple[torch.Size, torch.dtype, torch.Size, bool]  # of latents, time, words; all heard


class Compiled:
    """Stands for `network`, a UNet2DConditionModel, where it is called.

    Runs it as it is, too, where a gradient is asked for. What is compiled is a twin with the same
    weights, so that attention control may put its processors into the network meanwhile.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.ready: set[Kind] = set()
        self._asked: set[Kind] = set()
        self._failed = False
        self._fast = torch.compile(_twin(network), dynamic=False)
        # Runs what was made and makes nothing, so that no step waits; in its own thread alone,
        # where torch.compiler.set_stance would keep the other one from making a form, too.
        self._made = torch._dynamo.run(self._fast)  # pyright: ignore[reportPrivateUsage]
        self._one_at_a_time = threading.Lock()

    def __call__(self, x: Tensor, t: Tensor, *, encoder_hidden_states: Tensor, **told: Any) -> Any:
        x, words = x.contiguous(), encoder_hidden_states.contiguous()
        kind = x.shape, t.dtype, words.shape, told.get("encoder_attention_mask") is None
        if torch.is_grad_enabled():
            return self.network(x, t, encoder_hidden_states=words, **told)
        if kind in self.ready:
            return self._made(x, t, encoder_hidden_states=words, **told)
        if kind not in self._asked and len(self._asked) < MOST and not self._failed:
            self._asked.add(kind)
            given = x.clone(), t.clone(), {"encoder_hidden_states": words.clone(), **told}
            threading.Thread(target=self._make, args=(kind, *given), daemon=True).start()
        return self.network(x, t, encoder_hidden_states=words, **told)

    @property
    def remark(self) -> str:
        """For the person who waits: a sentence while a form is being made, or where none can be."""
        if self._failed:
            return FAILED
        return MAKING if len(self.ready) < len(self._asked) else ""

    @torch.no_grad()
    def _make(self, kind: Kind, x: Tensor, t: Tensor, told: dict[str, Any]) -> None:
        affinity.free()
        with self._one_at_a_time:
            try:
                self._fast(x, t, **told)
            except Exception:  # no compiler, no headers of Python, an operation it does not know
                log.warning("The denoiser could not be compiled", exc_info=True)
                self._failed = True
            else:
                self.ready.add(kind)


def _twin(network: Any) -> Any:
    """Modules of its own over the same weights."""
    shared = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(each): each for each in shared})
