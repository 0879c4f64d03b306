"""A denoiser that is compiled while it works: the same pictures, and nobody waits."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipelines import (
    Bundle,
    PromptEdit,
    PromptToPrompt,
    SDEdit,
    drain,
    prompt_to_prompt,
    sdedit,
)
from pipelines.networks import compiled
from pipelines.networks.unet import StableDiffusion
from studio.models.loaded import warm_up
from tests.pictures import same
from tests.toys import EPSILON, tiny_pipeline


@pytest.fixture
def plain(tmp_path: Path) -> Bundle:
    return Bundle.of(tiny_pipeline(tmp_path, EPSILON))


@pytest.fixture
def fast(plain: Bundle, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The same weights; making a form of the twin is quick, and it is equal to the bit."""
    monkeypatch.setattr(torch, "compile", lambda network, **_choices: network)
    parts = plain.vae, plain.denoiser, plain.tokenizers, plain.text_encoders, plain.scheduler_config
    return StableDiffusion(*parts).compile()


def asked(**choices: Any) -> SDEdit:
    image = Image.new("RGB", (32, 32), "teal")
    return SDEdit(image=image, prompt="a red house", num_inference_steps=3, **choices)


def waited(bundle: Bundle) -> compiled.Compiled:
    """What is compiled, once nothing is under way."""
    assert bundle.compiled is not None
    deadline = time.monotonic() + 120
    while bundle.compiled.remark == compiled.MAKING and time.monotonic() < deadline:
        time.sleep(0.02)
    return bundle.compiled


def test_pictures_are_the_same_before_and_after(plain: Bundle, fast: Bundle) -> None:
    expected = drain(sdedit(plain, asked())).images[0]
    assert same(drain(sdedit(fast, asked())).images[0], expected)
    assert len(waited(fast).ready) == 1
    assert same(drain(sdedit(fast, asked())).images[0], expected)
    other = asked(num_images=3)
    expected = drain(sdedit(plain, other)).images
    assert all(map(same, drain(sdedit(fast, other)).images, expected))
    assert len(waited(fast).ready) == 2


def test_the_compiled_form_is_what_runs_then(fast: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    drain(sdedit(fast, asked()))
    waited(fast)

    def interpreted(*_arguments: Any, **_named: Any) -> Any:
        raise AssertionError("the network itself was called")

    monkeypatch.setattr(fast.compiled, "network", interpreted)
    drain(sdedit(fast, asked()))
    with pytest.raises(AssertionError, match="the network itself"):
        drain(sdedit(fast, asked(num_images=2)))


def test_a_model_begins_to_be_compiled_when_it_is_loaded(
    fast: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form for one guided picture; a model that is not compiled makes no call for nothing."""
    warm_up(fast)
    assert len(waited(fast).ready) == 1
    drain(sdedit(fast, asked()))
    assert len(waited(fast).ready) == 1
    fresh = Bundle.of(tiny_pipeline(tmp_path, EPSILON))
    monkeypatch.setattr(fresh.denoiser, "forward", None)
    warm_up(fresh)


class Traced:
    """A backend of torch.compile that needs no C++ compiler and counts."""

    def __init__(self) -> None:
        self.traced = self.ran = 0
        self.meanwhile: Callable[[], object] | None = None  # once, while a form runs

    def __call__(self, graph: Any, _example: Any) -> Any:
        self.traced += 1

        def form(*given: Any) -> Any:
            self.ran += 1
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile:
                meanwhile()
            return graph(*given)

        return form


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Traced:
    backend = Traced()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch.compiler.reset()
    return backend


@pytest.mark.slow
def test_torch_makes_one_form_for_each_kind_of_call(
    plain: Bundle, backend: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later calls fit the form that was made."""
    expected = drain(sdedit(plain, asked())).images[0]
    drain(sdedit(plain.compile(), asked()))
    assert waited(plain).ready and backend.traced
    monkeypatch.setattr(plain.compiled, "network", None)
    parts, backend.ran = backend.traced, 0
    edit = drain(sdedit(plain, asked()))
    assert same(edit.images[0], expected)
    assert (backend.traced, backend.ran) == (parts, 3 * parts)


@pytest.mark.slow
def test_a_form_is_made_also_while_another_one_runs(plain: Bundle, backend: Traced) -> None:
    drain(sdedit(plain.compile(), asked()))
    waited(plain)
    parts = backend.traced

    def another() -> None:
        drain(sdedit(plain, asked(num_images=2)))
        waited(plain)

    def meanwhile() -> None:
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()

    backend.meanwhile = meanwhile
    drain(sdedit(plain, asked()))
    assert len(waited(plain).ready) == 2
    assert backend.traced == 2 * parts


def test_nobody_waits_for_it(fast: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(fast.compiled, "_fast", lambda *_given, **_told: held.wait(60))
    drain(sdedit(fast, asked()))
    assert fast.compiled is not None
    assert fast.compiled.remark == compiled.MAKING and not fast.compiled.ready
    held.set()
    assert waited(fast).remark == ""


def test_attention_control_is_not_compiled_and_not_seen(plain: Bundle, fast: Bundle) -> None:
    request = PromptToPrompt(
        prompt="a red house", edits=(PromptEdit(prompt="a blue house"),), num_inference_steps=3
    )
    expected = drain(prompt_to_prompt(plain, request)).images
    for _ in range(2):
        assert all(map(same, drain(prompt_to_prompt(fast, request)).images, expected))
        waited(fast)
    drain(sdedit(fast, asked()))
    assert len(waited(fast).ready) >= 1
    assert all(map(same, drain(prompt_to_prompt(fast, request)).images, expected))


def test_a_gradient_goes_through_the_network_itself(fast: Bundle) -> None:
    drain(sdedit(fast, asked()))
    waited(fast)
    words = fast.embed("a red house", (32, 32))
    words = words.over(words)
    words.tokens.requires_grad_()
    fast.predict(torch.zeros(2, 4, 16, 16), torch.tensor(5), words).sum().backward()
    assert words.tokens.grad is not None


def test_where_it_cannot_be_compiled_it_runs_and_says_so(
    plain: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_given: Any, **_told: Any) -> Any:
        raise RuntimeError("no C++ compiler")

    expected = drain(sdedit(plain, asked())).images[0]
    monkeypatch.setattr(torch, "compile", lambda _network, **_choices: broken)
    plain.compile()
    assert same(drain(sdedit(plain, asked())).images[0], expected)
    assert waited(plain).remark == compiled.FAILED
    assert "no C++ compiler" in caplog.text
    assert same(drain(sdedit(plain, asked(num_images=2))).images[0], expected)
    assert len(caplog.records) == 1  # it is not tried again


def test_so_many_kinds_of_calls_and_no_more(fast: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MOST", 1)
    for number in (1, 2, 1):
        drain(sdedit(fast, asked(num_images=number)))
        assert len(waited(fast).ready) == 1
