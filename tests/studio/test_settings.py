"""Arguments win over the environment, which wins over the defaults."""

import subprocess
import sys
from pathlib import Path

import pytest

from studio.settings import Settings, check_model, data_folder, is_loopback

ROOT = Path(__file__).resolve().parents[2]


def test_defaults() -> None:
    settings = Settings.read([], {})
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.url == "http://127.0.0.1:7860"
    assert Path(settings.model) == ROOT / "assets" / "models" / "postcard"
    assert (settings.device, settings.dtype, settings.login) == ("auto", "auto", None)
    assert settings.browser and settings.local


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("host", "localhost", "host", "localhost"),
        ("port", "7999", "port", 7999),
        ("model", "some/model", "model", "some/model"),
        ("device", "cuda:1", "device", "cuda:1"),
        ("dtype", "float16", "dtype", "float16"),
        ("data", "/somewhere", "data", Path("/somewhere")),
        ("login", "ada:to:day", "login", ("ada", "to:day")),
    ],
)
def test_each_option_by_argument_and_environment(
    name: str, text: str, field: str, value: object
) -> None:
    variable = f"PENTIMENTO_{name.upper()}"
    assert getattr(Settings.read([f"--{name}", text], {}), field) == value
    assert getattr(Settings.read([], {variable: text}), field) == value
    assert getattr(Settings.read([], {}), field) != value


def test_arguments_win_over_the_environment() -> None:
    assert Settings.read(["--port", "8001"], {"PENTIMENTO_PORT": "8002"}).port == 8001


@pytest.mark.parametrize(
    ("text", "opens"), [("1", False), ("true", False), ("0", True), ("", True)]
)
def test_no_browser(text: str, opens: bool) -> None:
    assert Settings.read([], {"PENTIMENTO_NO_BROWSER": text}).browser is opens
    assert Settings.read(["--no-browser"], {}).browser is False


def test_compile() -> None:
    assert Settings.read(["--compile"], {}).compiles
    assert Settings.read([], {"PENTIMENTO_COMPILE": "1"}).compiles
    assert not Settings.read([], {"PENTIMENTO_COMPILE": "0"}).compiles
    assert not Settings.read([], {}).compiles


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"],
        ["--port", "65536"],
        ["--port", "seven"],
        ["--dtype", "int8"],
        ["--login", "nobody"],
        ["--login", ":empty"],
        ["--unheard", "of"],
    ],
)
def test_refused_with_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        Settings.read(arguments, {})
    assert left.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["seven", "१२", "\N{FULLWIDTH DIGIT ONE}", "+80", "1_0", " 80", "80 ", "8e3", "80.0"]
)
def test_a_port_is_written_in_plain_digits(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, environment in (([f"--port={text}"], {}), ([], {"PENTIMENTO_PORT": text})):
        with pytest.raises(SystemExit):
            Settings.read(arguments, environment)
        told = capsys.readouterr().err.splitlines()[-1]
        assert told.endswith(f"The port must be a whole number from 1 to 65535, not {text!r}.")


def test_a_folder_of_nobody_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Settings.read(["--data", "~nobody-of-this-name/x"], {})
    assert "names nobody who has a folder here" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_a_public_address_needs_a_login(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Settings.read(["--host", host], {})
    assert "--login" in capsys.readouterr().err
    assert not Settings.read(["--host", host, "--login", "a:b"], {}).local


def test_a_name_needs_a_login_since_others_come_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    named, login = ["--name", "Studio.Example.org"], ["--login", "a:b"]
    with pytest.raises(SystemExit):
        Settings.read(named, {})
    assert "--login" in capsys.readouterr().err
    settings = Settings.read([*named, *login], {})
    assert settings.local and settings.name == "studio.example.org"
    assert Settings.read(login, {"PENTIMENTO_NAME": "a.example"}).name == "a.example"
    for odd in ("https://a.example", "a.example:443", "a/b", "a b"):
        with pytest.raises(SystemExit):
            Settings.read(["--name", odd, *login], {})


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.8.8.8", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example"]))


def test_what_is_no_model_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no model_index\.json"):
        check_model(str(tmp_path))
    for missing in (str(tmp_path / "nowhere"), "nowhere", "a/b/c", "../../x/y"):
        with pytest.raises(ValueError, match="There is no model at"):
            check_model(missing)
    for odd in ("~nobody-of-this-name/x", "/" + "a" * 5000, "a\0/b"):
        with pytest.raises(ValueError, match="There is no model at"):
            check_model(odd)
    check_model("some/model")  # a hub id, for all that is known here
    (tmp_path / "model_index.json").write_text("{}")
    check_model(str(tmp_path))


def test_data_folder_follows_the_platform() -> None:
    home = {"HOME": "/home/ada"}
    assert data_folder("linux", home) == Path("/home/ada/.local/share/pentimento")
    assert data_folder("linux", {**home, "XDG_DATA_HOME": "/x"}) == Path("/x/pentimento")
    assert data_folder("darwin", home).parts[-3:] == (
        "Library",
        "Application Support",
        "pentimento",
    )
    assert data_folder("win32", {**home, "LOCALAPPDATA": "/l"}) == Path("/l/pentimento")


def test_help_names_everything_and_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['app.py', '--help']\n"
        "import runpy\n"
        "try: runpy.run_path('app.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules or 'gradio' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    for name in ("host", "port", "model", "device", "dtype", "data", "login", "no-browser"):
        assert f"--{name}" in run.stdout
    assert run.stdout.endswith("False\n")
