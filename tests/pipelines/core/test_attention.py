"""Attention folded into the values equals the maps it stands for, and leaves no trace."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipelines import Bundle
from pipelines.core import attention, noise, solvers
from pipelines.core.attention import Control, Watch, controlled, watched
from pipelines.core.folded import attend
from pipelines.core.guidance import guided
from pipelines.core.sampling import Moment, Predict
from pipelines.networks.protocol import AttentionLayer
from pipelines.words.prompt import columns
from tests import toys

ROWS, HEADS, PLACES, TOKENS, WIDTH = 3, 2, 12, 7, 5
WORDS = "a b, c"


def make(kind: str, folder: Path) -> Bundle:
    """A random bundle in float64."""
    pipe = toys.tiny_xl_pipeline(folder) if kind == "xl" else toys.tiny_pipeline(folder)
    return Bundle.of(pipe.to(torch.float64))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make("1.x", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def drawn() -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(3)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def maps(q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)


def rows_of(bundle: Bundle, count: int, guidance_scale: float = 3.0) -> Predict:
    words, without = bundle.embed(WORDS, (32, 32)), bundle.embed("", (32, 32))
    return guided(bundle, words.rows(count), without, guidance_scale)


def first_moment() -> Moment:
    return solvers.make("ddim", toys.EPSILON, 4).moments[0]


def noise_for(bundle: Bundle, *seeds: int) -> Tensor:
    return noise.draw(noise.generators(seeds), (4, 16, 16)).to(bundle.dtype)


def processors(bundle: Bundle) -> dict[str, Any]:
    return dict(bundle.denoiser.attn_processors)


def test_a_folded_edit_equals_its_map(drawn: Callable[..., Tensor]) -> None:
    """Windows, weights (also negative) and a mapper of any values, all at once."""
    q, k, v = drawn(ROWS, HEADS, PLACES, WIDTH), *drawn(2, ROWS, HEADS, TOKENS, WIDTH)
    mapper, weight = drawn(2, TOKENS, TOKENS), drawn(2, TOKENS)
    window, kept = drawn(2, TOKENS) > 0, drawn(2, TOKENS) > 0
    inside, same = window.double(), kept.double()
    mapper = mapper * same[:, None]  # a new token takes nothing of the source

    whole = maps(q, k)
    there = whole[:1] @ mapper[:, None] + whole[1:] * (1 - same)[:, None, None]
    there = there * weight[:, None, None]
    edited = there * inside[:, None, None] + whole[1:] * (1 - inside)[:, None, None]
    expected = torch.cat([whole[:1] @ v[:1], edited @ v[1:]])

    control = Control(
        mapper,
        taken=(weight * inside)[None],
        own=(1 - inside + weight * inside * (1 - same))[None],
        words=[[True, True]],
        places=[[False, False]],
        coarse=[1, 1],
    )
    fold = control.at(0, [0, 1, 2], {1}).fold
    torch.testing.assert_close(attend(q, k, v, fold), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["1.x", "xl"])
def test_a_watch_sees_the_maps_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    bundle = make(kind, tmp_path)
    before = processors(bundle)
    x, moment = noise_for(bundle, 1, 2), first_moment()
    everything = torch.eye(16, dtype=torch.float64)[None]  # more columns than a head is wide
    watch = Watch(everything, reductions=(1,))
    output = watched(bundle, rows_of(bundle, 2), watch)(x, moment)
    assert torch.equal(output, rows_of(bundle, 2)(x, moment))
    assert processors(bundle) == before

    seen: list[Tensor] = []

    def look(module: Any, arguments: Any, named: Any) -> None:
        heads = (module.heads, -1)
        q = module.to_q(arguments[0]).unflatten(-1, heads).transpose(1, 2)
        k = module.to_k(named["encoder_hidden_states"]).unflatten(-1, heads).transpose(1, 2)
        seen.append(maps(q, k)[2:].mean(1))  # of the conditional half

    fine = [
        each for each in bundle.attention_layers if each.kind == "cross" and each.reduction == 1
    ]
    hooks = [each.module.register_forward_pre_hook(look, with_kwargs=True) for each in fine]
    rows_of(bundle, 2)(x, moment)
    for hook in hooks:
        hook.remove()
    expected = torch.stack(seen).mean(0).mT.unflatten(2, (16, 16))
    torch.testing.assert_close(watch.mean(), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(watch.mean().sum(1), torch.ones(2, 16, 16, dtype=torch.float64))


def test_coarser_maps_are_laid_on_the_finest_grid(bundle: Bundle) -> None:
    words = bundle.read(WORDS).words
    watch = Watch(columns(words, 16, bundle.device), reductions=(1, 2))
    predict = watched(bundle, rows_of(bundle, 1), watch)
    for moment in solvers.make("ddim", toys.EPSILON, 4).moments[:2]:
        predict(noise_for(bundle, 1), moment)
    assert [each.shape for each in watch.steps] == [(1, 3, 16, 16)] * 2
    with pytest.raises(ValueError, match="size asked for"):
        missing = Watch(watch.columns, reductions=(8,))
        watched(bundle, rows_of(bundle, 1), missing)(noise_for(bundle, 1), first_moment())


def test_the_networks_own_processors_come_back_after_an_exception(bundle: Bundle) -> None:
    before = processors(bundle)
    columns = torch.ones(1, 16, 1)
    during: list[int] = []

    def fail(x: Tensor, moment: Moment) -> Tensor:
        now = processors(bundle)
        during.append(sum(now[name] is not own for name, own in before.items()))
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        watched(bundle, fail, Watch(columns, (1, 2)))(noise_for(bundle, 1), first_moment())
    assert during == [sum(layer.kind == "cross" for layer in bundle.attention_layers)]
    assert processors(bundle) == before


def test_layers_are_known_by_their_size(postcard: Bundle) -> None:
    found = postcard.attention_layers
    assert sorted({(each.reduction, each.kind) for each in found}) == [
        (2, "cross"),
        (2, "self"),
        (4, "cross"),
        (4, "self"),
    ]
    assert all(postcard.denoiser.get_submodule(each.name) is each.module for each in found)
    assert sum(each.reduction == 2 and each.kind == "cross" for each in found) == 3
    assert found[0].grid((1, 4, 33, 20)) == (17, 10)


@pytest.mark.parametrize(
    ("reductions", "latent", "expected"),
    [
        ((1, 2, 4, 8), (64, 64), 4),  # Stable Diffusion 1.x: 16 × 16
        ((1, 2, 4, 8), (48, 80), 4),  # another aspect: 12 × 20
        ((1, 2, 4, 8), (32, 32), 2),  # the LDM of the paper
        ((2, 4), (128, 128), 4),  # SDXL: 32 × 32
        ((2, 4), (32, 32), 2),  # the embedded model
        ((2, 4), (8, 8), 2),  # nothing has enough
    ],
)
def test_the_readable_size(
    reductions: tuple[int, ...], latent: tuple[int, int], expected: int
) -> None:
    words = [AttentionLayer("", None, "cross", each) for each in reductions]
    places = AttentionLayer("", None, "self", 16)
    assert attention.readable([places, *words], latent) == expected
    with pytest.raises(ValueError, match="does not attend to words"):
        attention.readable([places], latent)


def test_parts_of_a_batch_give_what_the_whole_gives(bundle: Bundle) -> None:
    """Each part has the source in it, so every target is edited by the same maps."""
    edits, size = 3, 16
    generator = torch.Generator().manual_seed(0)
    taken = torch.rand(1, edits, size, generator=generator, dtype=torch.float64)
    own = torch.rand(1, edits, size, generator=generator, dtype=torch.float64)
    taken[:, 1], own[:, 1] = 0, 1  # outside its window
    control = Control(
        torch.eye(size, dtype=torch.float64).expand(edits, -1, -1),
        taken,
        own,
        words=[[True, False, True]],
        places=[[True, True, False]],
        coarse=[1, 2, 1],
    )
    x, moment = noise_for(bundle, 1, 2, 3, 4), first_moment()
    looked = columns(bundle.read(WORDS).words, 16, bundle.device).expand(4, -1, -1)
    results: list[tuple[Tensor, Tensor]] = []
    for cut in ([[0, 1, 2, 3]], [[0, 1], [0, 2, 3]], [[0, 1], [0, 2], [0, 3]]):
        watch = Watch(looked, reductions=(1,))
        parts = [(rows, rows_of(bundle, len(rows))) for rows in cut]
        output = controlled(bundle, parts, control, [watch])(x, moment)
        results.append((output, watch.mean()))
    plain = rows_of(bundle, 4)(x, moment)
    torch.testing.assert_close(results[0][0][:1], plain[:1], rtol=0, atol=1e-12)
    for target in (1, 2, 3):
        assert (results[0][0][target] - plain[target]).abs().max() > 1e-4
    for output, seen in results[1:]:
        torch.testing.assert_close(output, results[0][0], rtol=0, atol=1e-12)
        torch.testing.assert_close(seen, results[0][1], rtol=0, atol=1e-12)
