"""The laws of the whole tree: which way imports point, what files are called, how big they are.

Each law is a function from a root to its violations, one sentence each, so the tree keeps it and a
broken tree in a temporary folder shows that it can fail.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import pipelines

ROOT = Path(__file__).resolve().parent.parent

TOP = {
    ".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
    "Makefile", "README.md", "SECURITY.md", "app.py", "assets", "benchmarks", "components",
    "pipelines", "pyproject.toml", "requirements-dev.txt", "requirements.txt", "studio", "tests",
    "training",
}  # fmt: skip
ROOMS = {"app", "benchmarks", "components", "pipelines", "studio", "tests", "training"}
PRODUCT = ("app.py", "components", "pipelines", "studio")  # what runs at a user's

MAX_ALL = 40 * 10**6  # bytes, for good: every version of a weight stays in each clone
MAX_FILE = 14 * 2**20
MAX_APP = 40  # lines


# --- the tree ------------------------------------------------------------------------------------


@cache
def files(root: Path) -> tuple[Path, ...]:
    """What git tracks or would add, relative to `root`; without a repository, every file."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    if (root / ".git").exists() and listing.returncode == 0:
        names = [Path(name) for name in listing.stdout.split("\0") if name]
    else:
        hidden = {".venv", "__pycache__", ".pytest_cache", ".ruff_cache", "node_modules"}
        names = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        names = [name for name in names if not hidden & set(name.parts)]
    return tuple(sorted({name for name in names if (root / name).is_file()}))


def sources(root: Path, *rooms: str) -> Iterator[Path]:
    for file in files(root):
        if file.suffix == ".py" and (not rooms or file.parts[0] in rooms):
            yield file


def module(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _modules(root: Path, files: tuple[Path, ...]) -> frozenset[str]:
    return frozenset(module(file) for file in files if file.suffix == ".py")


def parsed(root: Path, file: Path) -> ast.Module:
    return ast.parse((root / file).read_text(encoding="utf-8"), filename=str(file))


def imports(root: Path, file: Path) -> set[str]:
    """Every module that `file` names in an import, wherever in the file, `import_module` included.

    `from a import b` counts as `a.b` where that is a module of this tree, else as `a`.
    """
    modules = _modules(root, files(root))
    here = module(file) if file.name == "__init__.py" else module(file).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(parsed(root, file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parents = here.split(".")[: here.count(".") + 2 - node.level]
                start = ".".join([*parents, start]).strip(".")
            inner = {f"{start}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else start for name in inner}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in ("import_module", "__import__") and node.args:
                target = node.args[0]
                if isinstance(target, ast.Constant):
                    found.add(str(target.value))
    return found


def within(name: str, *parents: str) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


# --- arrows --------------------------------------------------------------------------------------

TENSORS = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors")
PAGE = ("gradio", "gradio_client", "fastapi", "starlette", "uvicorn")

ROOTS = (
    "pipelines.pictures",
    "pipelines.request",
    "pipelines.edit",
)  # what core, networks and words stand on
BELOW = ("pipelines.core", "pipelines.networks", "pipelines.words", *ROOTS)

OURS: dict[str, tuple[str, ...]] = {  # room → what of this tree it may import, the longest wins
    "app.py": ("studio",),
    "benchmarks": ("benchmarks", "training", "pipelines", "studio", "components"),
    "components": ("components", "pipelines.pictures", "pipelines.request"),
    "components/contract": ("components.contract",),
    "pipelines": BELOW,
    "pipelines/__init__.py": ("pipelines",),
    "pipelines/blended": ("pipelines.blended", *BELOW),
    "pipelines/edit.py": ("pipelines.pictures",),
    "pipelines/networks": ("pipelines.networks", "pipelines.words", *ROOTS),
    "pipelines/pictures": ("pipelines.pictures",),
    "pipelines/prompt_to_prompt": ("pipelines.prompt_to_prompt", *BELOW),
    "pipelines/request.py": ("pipelines.pictures",),
    "pipelines/words": ("pipelines.words", "pipelines.request"),
    "studio": ("studio", "components", "pipelines"),
    "studio/access": (
        "studio.access", "studio.disk", "studio.settings", "studio.shares", "pipelines.pictures",
    ),
    "studio/disk.py": (),
    "studio/inputs": ("studio.inputs", "components.contract", "pipelines"),
    "studio/models": ("studio.models", "studio.disk", "components.contract", "pipelines"),
    "studio/runs": (
        "studio.runs", "studio.models", "studio.inputs", "studio.disk", "studio.shares",
        "components.contract", "pipelines",
    ),
    "studio/settings.py": ("studio.models", "pipelines.request"),
    "studio/shares.py": (),
    "tests": tuple(ROOMS),
    "training": ("training", "pipelines"),
}  # fmt: skip
REFUSED: dict[str, tuple[str, ...]] = {  # room → what of others it may not import
    "components": TENSORS,
    "components/contract": (*TENSORS, *PAGE, "PIL", "numpy", "cv2"),
    "pipelines": PAGE,
    "pipelines/__init__.py": (*TENSORS, *PAGE),
    "pipelines/edit.py": (*TENSORS, *PAGE),
    "pipelines/pictures": (*TENSORS, *PAGE),
    "pipelines/request.py": (*TENSORS, *PAGE),
    "studio/inputs": PAGE,
    "studio/models": PAGE,
    "studio/runs": PAGE,
}


def of_room(file: Path, table: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What the table says about the file, or else about the nearest folder that it names."""
    for place in (file, *file.parents):
        if place.as_posix() in table:
            return table[place.as_posix()]
    return ()


def may_import(file: Path, name: str) -> bool:
    """Whether the design's arrows allow `file` to import the module `name`."""
    if name.partition(".")[0] in ROOMS:
        return within(name, *of_room(file, OURS))
    if file == Path("app.py"):
        return name.partition(".")[0] in sys.stdlib_module_names
    return not within(name, *of_room(file, REFUSED))


def method(name: str) -> bool:
    """Whether a module is an editing method: in `pipelines`, and nothing that methods stand on."""
    return within(name, "pipelines") and not within(name, *BELOW) and name != "pipelines"


def wrong_arrows(root: Path) -> Iterator[str]:
    for file in sources(root):
        named = imports(root, file)
        for name in sorted(named):
            if not may_import(file, name):
                yield f"{file} imports {name}."
        if file.parts[0] == "studio" and file != Path("studio/catalog.py"):
            tabs = sorted(name for name in named if within(name, "components.tabs"))
            methods = sorted(name for name in named if method(name))
            if tabs and methods:
                yield f"{file}: {methods[0]} meets {tabs[0]}; that is for studio/catalog.py."


def room(name: str) -> str:
    """The room of a module: a folder of the second level, or a file beside such folders."""
    return ".".join(name.split(".")[:2])


def circles(root: Path) -> Iterator[str]:
    """Rooms that lead to each other; `pipelines` itself names its methods and counts for none."""
    leads: dict[str, set[str]] = {}
    for file in sources(root, *PRODUCT):
        here = room(module(file))
        if here in ("pipelines", "components", "studio"):
            continue
        others = {room(name) for name in imports(root, file) if name.partition(".")[0] in ROOMS}
        leads[here] = leads.get(here, set()) | others - {here}
    while free := [here for here, others in leads.items() if not others & leads.keys()]:
        for here in free:
            del leads[here]
    for here in sorted(leads):
        back = sorted(leads[here] & leads.keys())
        yield f"{here} stands in a circle: it imports {', '.join(back)}."


# --- what lies where -----------------------------------------------------------------------------


def unknown_top_entries(root: Path) -> Iterator[str]:
    for name in sorted({file.parts[0] for file in files(root)} - TOP):
        yield f"{name}: not an entry of the top of the tree."


def empty_names(root: Path) -> Iterator[str]:
    """A file that no noun of the field fits holds two things."""
    words = {"util", "utils", "helper", "helpers", "common", "base", "manager", "misc"}
    for file in files(root):
        said = {word for part in file.parts for word in re.split(r"[_\-.]", part.lower())}
        for word in sorted(said & words):
            yield f"{file}: '{word}' names nothing."


def too_big(root: Path) -> Iterator[str]:
    sizes = {file: (root / file).stat().st_size for file in files(root)}
    for file, size in sizes.items():
        if size > MAX_FILE:
            yield f"{file}: {size} bytes; a file has at most {MAX_FILE}."
    if sum(sizes.values()) > MAX_ALL:
        yield f"{sum(sizes.values())} bytes in all; the tree has at most {MAX_ALL}."


def long_app(root: Path) -> Iterator[str]:
    if (root / "app.py").exists():
        lines = len((root / "app.py").read_text(encoding="utf-8").splitlines())
        if lines > MAX_APP:
            yield f"app.py has {lines} lines; at most {MAX_APP}."


# --- what is written -----------------------------------------------------------------------------


def unfinished(root: Path) -> Iterator[str]:
    marks = re.compile(rf"\b({'TO'}DO|{'FIX'}ME|{'XX'}X)\b")
    for file in files(root):
        if file.suffix in {".py", ".js", ".css", ".md", ".toml", ".txt"} or file.name == "Makefile":
            text = (root / file).read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                if found := marks.search(line):
                    yield f"{file}:{number} leaves a {found[0]}."


def unsafe_calls(root: Path) -> Iterator[str]:
    """What would run code out of a file or a web address, or open the studio to everybody."""
    for file in sources(root, *PRODUCT):
        for name in sorted(imports(root, file)):
            if within(name, "pickle", "dill", "joblib", "marshal"):
                yield f"{file} imports {name}."
        for node in ast.walk(parsed(root, file)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in {"torch.load", "gr.load", "gradio.load", "eval", "exec"}:
                yield f"{file}:{node.lineno} calls {called}."
            for keyword in node.keywords:
                loose = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in {"trust_remote_code", "shell", "share"} and loose:
                    yield f"{file}:{node.lineno} says {keyword.arg}=True."


def opened_networks(root: Path) -> Iterator[str]:
    """Only pipelines/networks looks into a model; everybody else asks the `Networks` protocol."""
    parts = {"unet", "vae", "denoiser", "tokenizers", "text_encoders"}
    for file in sources(root, "pipelines", "studio"):
        if file.parts[:2] == ("pipelines", "networks"):
            continue
        for node in ast.walk(parsed(root, file)):
            if not isinstance(node, ast.Attribute):
                continue
            owner = ast.unparse(node.value).rpartition(".")[2]
            if node.attr in parts or (node.attr == "config" and owner != "scheduler"):
                yield f"{file}:{node.lineno} reads .{node.attr}; that is for pipelines/networks."


def device_literals(root: Path) -> Iterator[str]:
    """A method runs where its bundle lies; only the studio chooses a device."""
    named = re.compile(r"(cuda|mps)(:\d+)?")
    for file in sources(root, "pipelines"):
        for node in ast.walk(parsed(root, file)):
            if isinstance(node, ast.Constant) and named.fullmatch(str(node.value)):
                yield f"{file}:{node.lineno} names the device {node.value!r}."


LAWS: tuple[Callable[[Path], Iterator[str]], ...] = (
    wrong_arrows, circles, unknown_top_entries, empty_names, too_big, long_app, unfinished,
    unsafe_calls, opened_networks, device_literals,
)  # fmt: skip


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_tree_keeps(law: Callable[[Path], Iterator[str]]) -> None:
    assert list(law(ROOT)) == []


BROKEN = [
    (wrong_arrows, "app.py", "import components.page"),
    (wrong_arrows, "app.py", "from pipelines import Bundle"),
    (wrong_arrows, "app.py", "import torch"),
    (wrong_arrows, "components/form.py", "import torch"),
    (wrong_arrows, "components/form.py", "def f():\n    from diffusers import DDIMScheduler"),
    (wrong_arrows, "components/form.py", "from pipelines import SDEdit"),
    (wrong_arrows, "components/contract/events.py", "import gradio as gr"),
    (wrong_arrows, "components/contract/events.py", "from PIL import Image"),
    (wrong_arrows, "components/contract/sketch.py", "from components.canvas import Canvas"),
    (wrong_arrows, "studio/runs/engine.py", "from components.stage import Stage"),
    (wrong_arrows, "studio/models/hub.py", "import gradio"),
    (wrong_arrows, "components/form.py", "from pipelines.sdedit import SDEdit"),
    (wrong_arrows, "components/tabs/paint.py", "from studio import jobs"),
    (wrong_arrows, "pipelines/sdedit.py", "import gradio as gr"),
    (wrong_arrows, "pipelines/sdedit.py", "from components.contract.events import Stepped"),
    (wrong_arrows, "pipelines/sdedit.py", "import pipelines.blended"),
    (wrong_arrows, "pipelines/sdedit.py", "from . import blended"),
    (wrong_arrows, "pipelines/sdedit.py", "from pipelines import blended"),
    (wrong_arrows, "pipelines/sdedit.py", "import importlib\nimportlib.import_module('studio')"),
    (wrong_arrows, "pipelines/core/noise.py", "from ..sdedit import sdedit"),
    (wrong_arrows, "pipelines/core/noise.py", "from pipelines.sdedit import sdedit"),
    (wrong_arrows, "pipelines/request.py", "from pipelines.core.noise import draw"),
    (wrong_arrows, "pipelines/request.py", "import torch"),
    (wrong_arrows, "studio/runs/engine.py", "from tests.toys import tiny"),
    (wrong_arrows, "studio/app.py", "import components.tabs.paint\nimport pipelines.sdedit"),
    (wrong_arrows, "studio/runs/engine.py", "from studio.access.ownership import Ownership"),
    (wrong_arrows, "studio/models/hub.py", "from studio.runs import history"),
    (wrong_arrows, "studio/disk.py", "from studio.models import chosen"),
    (wrong_arrows, "pipelines/networks/folder.py", "from pipelines.core import noise"),
    (wrong_arrows, "pipelines/words/prompt.py", "from pipelines.networks import bundle"),
    (wrong_arrows, "pipelines/core/crop.py", "from pipelines.blended import tuning"),
    (wrong_arrows, "pipelines/blended/tuning.py", "from pipelines.prompt_to_prompt import maps"),
    (wrong_arrows, "components/stage.py", "from training.palette import swatches"),
    (wrong_arrows, "pipelines/sdedit.py", "from training.critic import Critic"),
    (wrong_arrows, "studio/runs/engine.py", "import training"),
    (wrong_arrows, "training/train.py", "from studio.models.loaded import Models"),
    (unknown_top_entries, "scratch.py", ""),
    (unknown_top_entries, "notes/plan.md", ""),
    (empty_names, "studio/utils.py", ""),
    (empty_names, "pipelines/common/noise.py", ""),
    (empty_names, "studio/job_manager.py", ""),
    (empty_names, "assets/base.css", ""),
    (too_big, "assets/models/toy/unet.safetensors", "x" * (MAX_FILE + 1)),
    (long_app, "app.py", "pass\n" * (MAX_APP + 1)),
    (unfinished, "studio/app.py", f"# {'TO'}DO: later"),
    (unfinished, "README.md", f"{'FIX'}ME"),
    (unsafe_calls, "studio/models/loaded.py", "import pickle"),
    (unsafe_calls, "studio/models/loaded.py", "import torch\ntorch.load('x')"),
    (unsafe_calls, "studio/models/loaded.py", "AutoModel.f('x', trust_remote_code=True)"),
    (unsafe_calls, "app.py", "demo.launch(share=True)"),
    (opened_networks, "pipelines/sdedit.py", "def f(networks): return networks.unet"),
    (opened_networks, "pipelines/core/noise.py", "def f(n): return n.denoiser(n.x, n.t)"),
    (opened_networks, "pipelines/blended/tuning.py", "copied = bundle.vae"),
    (opened_networks, "pipelines/words/prompt.py", "def f(b): return len(b.text_encoders)"),
    (opened_networks, "studio/models/loaded.py", "channels = bundle.part.config.in_channels"),
    (device_literals, "pipelines/networks/bundle.py", "device = 'cuda:0'"),
]  # fmt: skip


@pytest.mark.parametrize(("law", "path", "text"), BROKEN)
def test_a_broken_tree_is_seen(
    law: Callable[[Path], Iterator[str]], path: str, text: str, tmp_path: Path
) -> None:
    for name in ("pipelines/sdedit.py", "pipelines/blended.py", "pipelines/core/noise.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files.cache_clear()
    assert list(law(tmp_path)) == []
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text, encoding="utf-8")
    files.cache_clear()
    assert len(list(law(tmp_path))) == 1
    files.cache_clear()


def test_rooms_that_lead_to_each_other_are_seen(tmp_path: Path) -> None:
    for path, text in (
        ("studio/runs/jobs.py", "import studio.models.loaded"),
        ("studio/models/loaded.py", "from studio.inputs import sketches"),
        ("studio/inputs/sketches.py", "from studio import runs"),
        ("studio/app.py", "import studio.runs.jobs"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "studio/runs/__init__.py").touch()
    files.cache_clear()
    assert len(list(circles(tmp_path))) == 4  # the three, and the one that leads into them
    (tmp_path / "studio/inputs/sketches.py").write_text("")
    assert list(circles(tmp_path)) == []
    files.cache_clear()


def test_many_small_files_can_be_too_big(tmp_path: Path) -> None:
    for number in range(4):
        with (tmp_path / f"{number}.safetensors").open("wb") as file:
            file.truncate(13 * 10**6)
    assert len(list(too_big(tmp_path))) == 1


# --- what the README says -------------------------------------------------------------------------


def test_the_readme_names_every_option() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"--[a-z-]+", done.stdout)) - {"--help"}
    assert len(options) >= 8
    for option in options:
        variable = "PENTIMENTO_" + option[2:].replace("-", "_").upper()
        assert re.search(rf"\| `{option}` \| `{variable}(=1)?` \|", readme), option


def test_the_readme_speaks_of_what_there_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert targets >= {"help", "run", "test", "lint", "bench", "train"}
    words = set(re.findall(r"(?:`|^)make ([a-z-]+)", readme, re.M))
    assert words <= targets and {"run", "test"} <= words
    paths = re.findall(r"`([\w./-]+/[\w./-]*)`", readme) + re.findall(r"\]\(([\w./-]+)\)", readme)
    assert paths
    for path in paths:
        assert path.startswith(("/", "~")) or (ROOT / path).exists(), path


# --- what an import brings -----------------------------------------------------------------------


def brought(*names: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after importing `names`."""
    code = f"import sys, {', '.join(names)}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_page_brings_in_no_torch() -> None:
    names = [module(file) for file in sources(ROOT, "components")]
    assert not brought(*names) & {"torch", "diffusers", "transformers", "studio"}


def test_the_request_is_pure_data() -> None:
    assert not brought("pipelines", "pipelines.request") & {"torch", "diffusers", "gradio"}


def test_the_contract_brings_in_nothing_heavy() -> None:
    names = [module(file) for file in sources(ROOT, "components") if "contract" in file.parts]
    assert not brought(*names) & {"torch", "gradio", "PIL", "numpy", "cv2", "pipelines", "studio"}
    assert "components" in brought(*names)


@pytest.mark.parametrize("room", ["runs", "models", "inputs"])
def test_what_a_worker_needs_brings_in_no_gradio(room: str) -> None:
    names = [module(file) for file in sources(ROOT, "studio") if room in file.parts]
    seen = brought(*names)
    assert {"studio", "torch"} <= seen  # or this test sees nothing
    assert not seen & {"gradio", "gradio_client", "fastapi", "starlette", "uvicorn"}


def test_the_methods_bring_in_no_page() -> None:
    names = [module(file) for file in sources(ROOT, "pipelines")]
    seen = brought(*names)
    assert "torch" in seen  # or this test sees nothing
    assert not seen & {"gradio", "components", "studio"}


def test_every_public_name_resolves() -> None:
    assert pipelines.__all__ == sorted(pipelines.__all__)
    assert dir(pipelines) == pipelines.__all__
    for name in pipelines.__all__:
        assert getattr(pipelines, name).__name__ == name
    with pytest.raises(AttributeError, match="Nothing"):
        pipelines.Nothing  # noqa: B018
