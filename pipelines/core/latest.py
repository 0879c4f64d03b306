"""What was found out for a model and may be wanted again."""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from PIL import Image

from pipelines.networks.protocol import Networks

T = TypeVar("T")


class Latest(Generic[T]):
    """The `size` values used last of each model; a model that goes takes its own along."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._of: WeakKeyDictionary[Networks, OrderedDict[Hashable, T]] = WeakKeyDictionary()

    def find(self, networks: Networks, key: Hashable) -> T | None:
        kept = self._of.setdefault(networks, OrderedDict())
        if key in kept:
            kept.move_to_end(key)
        return kept.get(key)

    def keep(self, networks: Networks, key: Hashable, value: T) -> None:
        kept = self._of.setdefault(networks, OrderedDict())
        kept[key] = value
        while len(kept) > self._size:
            kept.popitem(last=False)


def digest(picture: Image.Image) -> Hashable:
    """What a picture is known by."""
    return picture.size, picture.mode, hashlib.sha256(picture.tobytes()).digest()
