"""Files that mean harm to whoever reads their headers, made when they are needed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

LIMIT: Final = 4 * 2**20  # bytes of a header that is read
META: Final = '{"__metadata__":{"a":"%s"}}'
SIDES: Final = '{"dtype":"U8","shape":[%s],"data_offsets":[0,1]}'
TENSOR: Final = '{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'


def write(path: Path, text: str | bytes, room: int = 0, length: int | None = None) -> None:
    """A file of this header over `room` bytes of tensors; holes, where the disk can have them."""
    said = text if isinstance(text, bytes) else text.encode()
    with path.open("wb") as file:
        file.write((len(said) if length is None else length).to_bytes(8, "little") + said)
        file.truncate(8 + len(said) + room)


def many(path: Path, count: int, name: Callable[[int], str], tensor: str = TENSOR) -> None:
    text = ",".join(f"{json.dumps(name(i))}:{tensor % (i, i + 1)}" for i in range(count))
    write(path, f"{{{text}}}", count)


def one(tensor: str) -> Callable[[Path], None]:
    return lambda path: write(path, f'{{"a":{tensor}}}', 1)


KINDS: Final[dict[str, Callable[[Path], Any]]] = {
    "deep": lambda path: write(path, "[" * (LIMIT - 10)),
    "deep within": lambda path: write(path, '{"a":' + "[" * (LIMIT - 10)),
    "deep objects": lambda path: write(path, '{"a":' * (LIMIT // 5 - 10)),
    "many lists": lambda path: write(path, '{"a":[' + "[]," * (LIMIT // 3 - 10) + "[]]}"),
    "many objects": lambda path: write(path, '{"a":[' + "{}," * (LIMIT // 3 - 10) + "{}]}"),
    "many numbers": lambda path: write(path, '{"a":[' + "1," * (LIMIT // 2 - 10) + "1]}"),
    "100,000 tensors": lambda path: many(path, 100_000, lambda i: f"t{i}"),
    "60,000 tensors": lambda path: many(path, 60_000, lambda i: f"t{i}"),
    "tensors of blanks": lambda path: many(path, 30_000, lambda i: " " * (i % 40) + str(i)),
    "one long name": lambda path: write(path, f'{{"{"n" * (LIMIT - 100)}":{TENSOR % (0, 1)}}}', 1),
    "long names": lambda path: many(path, 4000, lambda i: f"{i}".ljust(900, "x")),
    "quadratic bait": lambda path: many(path, 1500, lambda i: "<" * 800 + str(i)),
    "one bait": lambda path: write(path, f'{{"{"<" * 1_300_000}":{TENSOR % (0, 1)}}}', 1),
    "lines": lambda path: many(path, 3000, lambda i: "\n" * 500 + str(i)),
    "digits": lambda path: many(path, 4000, lambda i: f"double_blocks.{'1' * 900}.{i}"),
    "layers": lambda path: many(path, 9000, lambda i: f"attn2_to_k_lora.attn2.to_k.{i}"),
    "blanks": lambda path: write(path, "{" + " " * (LIMIT - 10) + "}"),
    "escapes": lambda path: write(path, '{"' + "\\u00e9" * (LIMIT // 6 - 10) + '":1}'),
    "half a letter": lambda path: many(path, 2, lambda i: f"\ud800{i}"),
    "metadata": lambda path: write(path, META % ("\\n" * (LIMIT // 2 - 50))),
    "metadata in metadata": lambda path: write(path, '{"__metadata__":{"a":{"b":"c"}}}'),
    "lies: longer than the file": lambda path: write(path, "{}", 0, 10**6),
    "lies: 2^63": lambda path: write(path, "{}", 0, 2**63),
    "lies: 4 GB": lambda path: write(path, "{}", 0, 4 * 10**9),
    "lies: nothing": lambda path: write(path, "{}", 0, 0),
    "lies: short": lambda path: write(path, f'{{"a":{TENSOR % (0, 1)}}}', 1, 12),
    "the same name twice": lambda path: many(path, 2, lambda _: "a"),
    "the same key twice": one('{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}'),
    "NaN": one('{"dtype":"U8","shape":[NaN],"data_offsets":[0,Infinity]}'),
    "huge number": one(SIDES % ("9" * 5000)),
    "huge product": one(SIDES % ",".join(["9" * 99] * 8)),
    "fractions": one('{"dtype":"U8","shape":[1.0],"data_offsets":[0,1e0]}'),
    "negative": one('{"dtype":"U8","shape":[-1],"data_offsets":[1,0]}'),
    "digits of another script": one(SIDES % "\u0661"),
    "words for numbers": one('{"dtype":["U8"],"shape":true,"data_offsets":"01"}'),
    "no text": lambda path: write(path, b"\xff\xfe" * 1000),
    "NUL": lambda path: write(path, bytes(1000)),
    "cut": lambda path: path.write_bytes(b"\x10\0\0"),
    "empty": lambda path: path.write_bytes(b""),
    "pickle": lambda path: path.write_bytes(b"\x80\x04\x95" + bytes(5) + b"}."),
}  # fmt: skip


def folder_of(folder: Path, count: int) -> None:
    """A folder of that many hostile files, of every kind in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = list(KINDS.items())
    made: list[Path] = []
    for number in range(count):
        name, make = kinds[number % len(kinds)]
        made.append(folder / f"{number:03} {name.replace(':', '')}.safetensors")
        if number < len(kinds):
            make(made[-1])
        else:
            made[-1].hardlink_to(made[number - len(kinds)])
