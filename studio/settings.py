"""What the person who starts the studio decides, read once. Arguments win over the environment."""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from pipelines.request import Range
from studio.models.chosen import NOTHING, OnTop

PORT = Range(1, 65535, 1, "The port")
DEVICES = "auto, cpu, cuda, cuda:1, mps, …"
DTYPES = ("auto", "float32", "bfloat16", "float16")
POSTCARD = Path(__file__).resolve().parent.parent / "assets" / "models" / "postcard"
FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    model: str  # a diffusers folder, a .safetensors file, or the name of one on the hub
    device: str
    dtype: str
    data: Path
    models: Path  # where other models lie, and those added from the hub
    login: tuple[str, str] | None  # user, password
    browser: bool
    compiles: bool = False  # whether the denoiser is compiled while it works
    asked: bool = True  # whether the model was named at this start
    on_top: OnTop = NOTHING  # of the model that was chosen last
    name: str = ""  # by which a proxy in front of it is asked, if there is one
    grace: float = 60.0  # seconds that an edit nobody watches keeps its place

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the studio."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}"

    @classmethod
    def read(cls, arguments: Sequence[str], environment: Mapping[str, str]) -> "Settings":
        """Parse, or leave with one sentence (SystemExit), as `argparse` does."""
        parser = _parser(environment)
        given = parser.parse_args(arguments)
        if not given.login and (given.name or not is_loopback(given.host)):
            parser.error(
                f"anybody who reaches {given.name or given.host} could use this machine: "
                "give --login user:password, or stay on 127.0.0.1"
            )
        return cls(
            host=given.host,
            port=given.port,
            model=given.model or str(POSTCARD),
            device=given.device,
            dtype=given.dtype,
            data=given.data,
            models=given.models or given.data / "models",
            login=given.login,
            browser=not given.no_browser,
            compiles=given.compile,
            asked=bool(given.model),
            name=given.name,
        )


def check_model(source: str) -> None:
    """ValueError, before anything heavy is imported, where the model cannot be one."""
    try:
        path = Path(source).expanduser()
        folder, file = path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError):  # shut, too long, NUL, of no such user
        raise ValueError(f"There is no model at {source:.200} that can be read.") from None
    if folder:
        if not (path / "model_index.json").is_file():
            raise ValueError(
                f"{path} is no diffusers model: it has no model_index.json. "
                "Name another folder with --model."
            )
    elif not file and (path.is_absolute() or not re.fullmatch(r"[\w.-]+/[\w.-]+", source)):
        raise ValueError(f"There is no model at {path}. Name its folder with --model.")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def data_folder(platform: str, environment: Mapping[str, str]) -> Path:
    """Where this platform keeps what programs make for a person."""
    home = Path(environment.get("HOME") or Path.home())
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "pentimento"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "pentimento"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "pentimento"


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="Pentimento: paint strokes, and watch them become a picture.",
        epilog="Each is also in the environment: PENTIMENTO_PORT=7870, PENTIMENTO_NO_BROWSER=1.",
    )

    # argparse sends a default that is text through `type`, so the environment is checked as well.
    def option(name: str, default: object, *, type: object = str, metavar: str, help: str) -> None:
        value = environment.get("PENTIMENTO_" + name.upper()) or default
        parser.add_argument(f"--{name}", default=value, type=type, metavar=metavar, help=help)  # pyright: ignore[reportArgumentType]

    option("host", "127.0.0.1", metavar="NAME", help="address to listen on [127.0.0.1]")
    option("port", "7860", type=PORT.argument, metavar="N", help="port to listen on [7860]")
    option("name", "", type=_name, metavar="NAME", help="name of a proxy in front of it [none]")
    option(
        "model",
        None,
        metavar="MODEL",
        help="diffusers folder, file or hub id [the one chosen last; at first the postcard model]",
    )
    option("device", "auto", metavar="DEVICE", help=f"{DEVICES} [auto]")
    option("dtype", "auto", type=_dtype, metavar="DTYPE", help=f"{', '.join(DTYPES)} [auto]")
    option(
        "data",
        str(data_folder(sys.platform, os.environ)),
        type=_folder,
        metavar="FOLDER",
        help="where edits are kept [%(default)s]",
    )
    option("models", None, type=_folder, metavar="FOLDER", help="of other models [DATA/models]")
    option("login", None, type=_login, metavar="USER:PASSWORD", help="ask for these first [none]")

    def switch(name: str, *, help: str) -> None:
        variable = "PENTIMENTO_" + name.upper().replace("-", "_")
        default = environment.get(variable, "").lower() not in FALSE_WORDS
        parser.add_argument(f"--{name}", action="store_true", default=default, help=help)

    switch("compile", help="compile the model while it works (needs a C++ compiler): faster")
    switch("no-browser", help="do not open a browser window")
    return parser


def _name(text: str) -> str:
    if not re.fullmatch(r"[\w.-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a bare name, as in studio.example.org")
    return text.lower()


def _dtype(text: str) -> str:
    if text not in DTYPES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(DTYPES)}")
    return text


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text} names nobody who has a folder here") from None


def _login(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("write it as user:password")
    return user, password
