"""Prompts of several windows, in every method: the laws hold, and maps lie where the words are."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from pipelines import (
    Blended,
    Bundle,
    LocalBlend,
    PromptEdit,
    PromptToPrompt,
    SDEdit,
    blended,
    drain,
    prompt_to_prompt,
    sdedit,
)
from pipelines.core import noise, solvers
from pipelines.core.attention import Control, Watch, watched
from pipelines.core.folded import attend
from pipelines.core.guidance import guided
from pipelines.core.sampling import walk
from pipelines.words.prompt import columns
from tests import toys

# A window of the toys takes 14 letters.
SHORT = "a cat, by"
LONG = "abcde fghij klmno pq"  # abcde fghij | klmno pq
LONGEST = "abcdefghijklmn " * 3
WORDS = "a red house on a meadow, a tree beside a lake, snow on the mountains by day, "


@pytest.fixture(scope="module", params=["1.x", "xl"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("tiny")
    make = toys.tiny_xl_pipeline if request.param == "xl" else toys.tiny_pipeline
    return Bundle.of(make(folder))


def near(one: Tensor, other: Tensor) -> None:
    """Random networks go far out, so the bound is relative to the largest latent."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


def compare(bundle: Bundle, prompt: str, *edits: PromptEdit, negative: str = "") -> Tensor:
    """The last latents of [source, *edits]."""
    request = PromptToPrompt(
        prompt=prompt,
        negative_prompt=negative,
        edits=edits,
        num_inference_steps=3,
        guidance_scale=2.0,
        seed=5,
    )
    run = prompt_to_prompt(bundle, request)
    *_, last = islice(run, 3)
    run.close()
    return last.latents


def plain(bundle: Bundle, prompt: str, negative: str = "") -> Tensor:
    """What plain generation draws: the same noise, no attention control."""
    size = (bundle.size, bundle.size)
    words, without = bundle.embed(prompt, size), bundle.embed(negative, size, negative=True)
    solver = solvers.make("default", bundle.scheduler_config, 3)
    x = solver.prior(noise.draw(noise.generators([5]), (4, 16, 16)))
    *_, last = walk(x, guided(bundle, words, without, 2.0), solver)
    return last.latents


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("negative", ["", LONGEST])
def test_equal_long_prompts_change_nothing(bundle: Bundle, negative: str) -> None:
    edit = PromptEdit(prompt=LONG, cross_replace_steps=1.0, self_replace_steps=0.5)
    rows = compare(bundle, LONG, edit, negative=negative)
    near(rows[1], rows[0])
    near(rows[:1], plain(bundle, LONG, negative))


@pytest.mark.parametrize(("source", "target"), [(SHORT, LONG), (LONG, SHORT), (LONG, LONGEST)])
def test_no_row_hears_how_long_the_others_are(bundle: Bundle, source: str, target: str) -> None:
    """The source is what plain generation draws, and without windows so is every edit."""
    free = PromptEdit(prompt=target, cross_replace_steps=0, self_replace_steps=0)
    bound = PromptEdit(prompt=target)
    rows = compare(bundle, source, free, bound)
    near(rows[:1], plain(bundle, source))
    near(rows[1:2], plain(bundle, target))
    assert (rows[2] - rows[1]).abs().max() > 1e-3
    near(compare(bundle, source, bound)[1:], rows[2:])


@pytest.mark.parametrize("inversion", ["direct", "negative-prompt", "null-text"])
def test_a_given_pictures_source_does_not_hear_a_longer_edit(
    inversion: str, bundle: Bundle
) -> None:
    image = Image.radial_gradient("L").resize((32, 32)).convert("RGB")

    def rows(*prompts: str) -> Tensor:
        request = PromptToPrompt(
            prompt=SHORT,
            negative_prompt="" if inversion == "negative-prompt" else LONG,
            edits=tuple(PromptEdit(prompt=each) for each in prompts),
            num_inference_steps=2,
            guidance_scale=2.0,
            image=image,
            inversion=inversion,
        )
        run = prompt_to_prompt(bundle, request)
        down = [step.latents for step in run if step.phase == "denoising"]
        return down[-1]

    alone, beside = rows("a dog, by"), rows("a dog, by", LONGEST)
    near(beside[:2], alone)
    assert (beside[2] - beside[0]).abs().max() > 1e-3


def test_a_word_is_weighed_in_whichever_window_it_is(bundle: Bundle) -> None:
    rows = compare(
        bundle,
        LONG,
        PromptEdit(prompt=LONG),
        PromptEdit(prompt=LONG, weights={"pq": 1}),
        PromptEdit(prompt=LONG, weights={"pq": 3}),
        PromptEdit(prompt="abcde fghij klmno (pq:3)"),
    )
    assert torch.equal(rows[2], rows[1])
    assert (rows[3] - rows[1]).abs().max() > 1e-3
    assert (rows[4] - rows[1]).abs().max() > 1e-3


def test_a_local_blend_on_a_word_of_a_later_window(bundle: Bundle) -> None:
    blend = LocalBlend(source=("pq",), target=("xy",), threshold=0.9995)
    edits = [PromptEdit(prompt="abcde fghij klmno xy", local_blend=each) for each in (blend, None)]
    rows = compare(bundle, LONG, *edits)
    kept = (rows[1] == rows[0]).all(0)
    assert 0 < kept.float().mean() < 1
    assert not (rows[2] == rows[0]).all(0).any()


# --- maps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("negative", ["", LONGEST])
def test_the_maps_of_words_in_a_later_window(bundle: Bundle, negative: str) -> None:
    """Against the softmax over all that is heard, written out."""
    words, without = (bundle.embed(each, (32, 32)) for each in (LONG, negative))
    found = bundle.read(LONG).words
    watch = Watch(columns(found, bundle.read(LONG).length, bundle.device), reductions=(1,))
    x = torch.randn(1, 4, 16, 16, generator=torch.manual_seed(3))
    moment = solvers.make("ddim", toys.EPSILON, 4).moments[0]
    predict = guided(bundle, words, without, 2.0)
    with torch.no_grad():
        watched(bundle, predict, watch)(x, moment)

    seen: list[Tensor] = []

    def look(module: Any, arguments: Any, named: Any) -> None:
        q, k = module.to_q(arguments[0])[1], module.to_k(words.tokens)[0]
        q, k = (each.unflatten(-1, (module.heads, -1)).transpose(0, 1) for each in (q, k))
        maps = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1).mean(0)
        seen.append(torch.stack([maps[:, list(w.positions)].sum(-1) for w in found]))

    fine = [
        each for each in bundle.attention_layers if each.kind == "cross" and each.reduction == 1
    ]
    hooks = [each.module.register_forward_pre_hook(look, with_kwargs=True) for each in fine]
    with torch.no_grad():
        predict(x, moment)
    for hook in hooks:
        hook.remove()
    expected = torch.stack(seen).mean(0).unflatten(1, (16, 16))
    torch.testing.assert_close(watch.mean()[0], expected, rtol=0, atol=1e-6)


def test_a_folded_edit_equals_its_map_where_rows_differ_in_length() -> None:
    """Two targets of a source with fewer tokens than the second, more than the first."""
    random = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    q, k, v = drawn(3, 2, 9, 4), drawn(3, 2, 6, 4), drawn(3, 2, 6, 4)
    heard = torch.tensor([[1] * 4 + [0] * 2, [1] * 2 + [0] * 4, [1] * 6])
    bias = (1 - heard.double())[:, None, None] * -10000
    mapper, taken, own = drawn(2, 6, 6), drawn(2, 6), drawn(2, 6)
    control = Control(mapper, taken[None], own[None], [[True, True]], [[False, False]], [1, 1])
    fold = control.at(0, [0, 1, 2], {1}).fold
    maps = (q @ k.mT * 4**-0.5).masked_fill(heard[:, None, None] == 0, -torch.inf).softmax(-1)
    edited = maps[:1] @ (mapper * taken[:, None])[:, None] + maps[1:] * own[:, None, None]
    expected = torch.cat([maps[:1] @ v[:1], edited @ v[1:]])
    torch.testing.assert_close(attend(q, k, v, fold, bias), expected, rtol=0, atol=1e-10)


# --- every method, on the embedded model: 32 tokens a window -------------------------------------


def hundred(postcard: Bundle) -> str:
    prompt = WORDS * 5 + "a blue tower"
    assert len(postcard.read(prompt).ids) > 100
    return prompt


def painted(prompt: str) -> SDEdit:
    image = Image.new("RGB", (128, 128), "skyblue")
    return SDEdit(prompt=prompt, image=image, num_inference_steps=2, strength=1.0)


def replaced(prompt: str) -> Blended:
    image, mask = Image.new("RGB", (128, 128), "skyblue"), Image.new("L", (128, 128))
    mask.paste(255, (32, 32, 96, 96))
    return Blended(prompt=prompt, image=image, mask_image=mask, num_inference_steps=2)


def compared(prompt: str) -> PromptToPrompt:
    edit = PromptEdit(prompt=prompt, weights={"tower": 2})
    return PromptToPrompt(prompt=WORDS, edits=(edit,), num_inference_steps=2, attention=True)


METHODS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "paint": (sdedit, painted),
    "replace": (blended, replaced),
    "compare": (prompt_to_prompt, compared),
}


@pytest.mark.parametrize("name", METHODS)
def test_what_stands_in_the_fourth_window_is_heard(name: str, postcard: Bundle) -> None:
    method, ask = METHODS[name]
    prompt = hundred(postcard)
    edits = [drain(method(postcard, ask(each))) for each in (prompt, prompt.replace("blue", "red"))]
    assert edits[0].images[-1].tobytes() != edits[1].images[-1].tobytes()
    if name == "compare":
        assert edits[0].images[0].tobytes() == edits[1].images[0].tobytes()
        legend = edits[0].report.attention
        assert legend is not None
        assert [len(words) for words in legend.words] == [17, 88]
        assert len(legend.peaks[1]) == 88 and min(legend.peaks[1]) > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_prompt_beyond_all_windows_is_one_sentence(name: str, postcard: Bundle) -> None:
    method, ask = METHODS[name]
    with pytest.raises(ValueError, match=r"is too long: this model reads 8 times 30 tokens.*\.$"):
        drain(method(postcard, ask("a red house " * 100)))


@pytest.mark.parametrize("name", METHODS)
def test_a_weight_moves_the_picture_and_one_does_not(name: str, postcard: Bundle) -> None:
    method, ask = METHODS[name]
    prompts = ("a blue tower", "a (blue:1) tower", "a (blue:2) tower")
    plain, one, two = (drain(method(postcard, ask(each))).images[-1] for each in prompts)
    if name != "compare":  # there the edit weighs the tower besides
        assert plain.tobytes() == one.tobytes()
    assert plain.tobytes() != two.tobytes()
