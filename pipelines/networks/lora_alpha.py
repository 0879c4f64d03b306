"""Alphas that stand in the metadata of a LoRA, or beside it, and not among its tensors."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from pipelines.networks.checkpoint import Checkpoint
from pipelines.networks.lora_keys import NETWORKS, PEFT

METADATA: Final = "lora_adapter_metadata"  # where diffusers keeps PEFT's configuration
CONFIG: Final = "adapter_config.json"  # what PEFT itself writes, beside the file
FILE: Final = "adapter_model"  # as it calls the file
MAX_CONFIG: Final = 4 * 2**20  # bytes
_LITERAL: Final = re.compile(r"\^?(?:[\w-]|\\?\.)+\$?")


@dataclass(frozen=True, slots=True)
class Alphas:
    """What PEFT's configuration of one network says about alpha.

    PEFT takes the keys of `alpha_pattern` for regular expressions. Here they are names, whole or
    from some dot on, for text from a file is never compiled.
    """

    usual: float | None = None
    rank: float | None = None  # where a layer has none
    named: Mapping[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    rooted: bool = False  # whether alpha is divided by the root of the rank

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Raises ValueError, TypeError, AttributeError or ArithmeticError where it is malformed."""
        usual = config.get("lora_alpha", config.get("alpha"))  # the latter of LoHa and LoKr
        rank, patterns = config.get("r"), config.get("alpha_pattern") or {}
        named = {_name(key): (n, _number(each)) for n, (key, each) in enumerate(patterns.items())}
        usual, rank = (None if each is None else _number(each) for each in (usual, rank))
        if rank is not None and rank < 1:
            raise ValueError("a rank below 1")
        return cls(usual, rank, named, bool(config.get("use_rslora")))

    def scale(self, path: str, rank: float | None) -> float:
        """Alpha / rank of a layer; 1 where nothing is said. Of several names the first counts."""
        own = min((self.named[end] for end in _ends(path) if end in self.named), default=None)
        alpha, size = self.usual if own is None else own[1], rank or self.rank
        if alpha is None or not size:
            return 1.0
        return alpha / (math.sqrt(size) if self.rooted else size)


class Scales:
    """Alpha / rank of the layers of a LoRA whose tensors do not say it."""

    def __init__(self, header: Checkpoint) -> None:
        """ValueError with one sentence where what the file says cannot be followed."""
        name = header.path.name
        try:
            configs = _configurations(header)
            keys = [key for each in configs.values() for key in each.get("alpha_pattern") or ()]
            literal = all(_LITERAL.fullmatch(key) for key in keys)
            self._networks = {network: Alphas.of(each) for network, each in configs.items()}
        except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
            raise ValueError(
                f"What the metadata of {name} says about alpha cannot be read; fetch it again."
            ) from None
        if not literal:
            raise ValueError(
                f"{name} sets alpha by patterns, which are not followed; take a file that names "
                "its layers."
            )

    def of(self, layer: str, rank: int | None) -> float:
        """`layer` is its name in the file; its rank is None where its formula has none."""
        network, _, path = layer.partition(".")
        if network not in self._networks:
            network, path = "", layer.removeprefix(PEFT)
        return self._networks.get(network, Alphas()).scale(path, rank)


def _configurations(header: Checkpoint) -> Mapping[str, Mapping[str, Any]]:
    """PEFT's configuration of each network."""
    if METADATA in header.metadata:
        found: dict[str, dict[str, Any]] = {}
        for key, value in json.loads(header.metadata[METADATA]).items():
            network, _, name = key.partition(".")
            if network in NETWORKS:
                found.setdefault(network, {})[name] = value
        return found
    beside = header.path.with_name(CONFIG)
    if header.path.stem != FILE or not beside.is_file():
        return {}
    if beside.stat().st_size > MAX_CONFIG:
        raise ValueError("no configuration is that long")
    return {"": json.loads(beside.read_text("utf-8"))}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _name(pattern: str) -> str:
    """The name that a pattern without signs of its own stands for, "^" first where it is whole."""
    return pattern.removesuffix("$").replace("\\", "")


def _ends(path: str) -> Iterator[str]:
    """The path whole, then what of it stands behind each of its dots."""
    yield f"^{path}"
    yield path
    place = path.find(".")
    while place >= 0:
        yield path[place + 1 :]
        place = path.find(".", place + 1)
