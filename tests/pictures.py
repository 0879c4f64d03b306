"""What tests ask of pictures."""

from PIL import Image


def same(one: Image.Image, other: Image.Image) -> bool:
    """Bit for bit."""
    return one.size == other.size and one.tobytes() == other.tobytes()
