"""Prompt-to-Prompt: the published algorithm step by step, and the laws, on several models."""

import sys
from collections.abc import Generator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks import published
from benchmarks.published import Blend, Recipe
from pipelines import (
    Bundle,
    LocalBlend,
    PromptEdit,
    PromptToPrompt,
    drain,
    prompt_to_prompt,
)
from pipelines.core import noise, solvers
from pipelines.core.guidance import guided
from pipelines.core.inversion import Asked, Inversion, inverted
from pipelines.core.latest import Latest
from pipelines.core.sampling import Step, walk
from pipelines.core.tape import Tape
from pipelines.prompt_to_prompt import ROOM, Sources, cut, maps
from tests import toys
from tests.conftest import POSTCARD

SOURCE = "a red house on a meadow by day"  # tokens 1 to 8, the end is 9
SWAPPED = "a blue tower on a meadow by day"
LONGER = "a red house on a meadow near snowy mountains by day"
ADDED = [0, 1, 2, 3, 4, 5, 6, -1, -1, -1, 7, 8, 9, *range(13, 32)]  # LONGER's tokens in SOURCE
EYE = torch.eye(32, dtype=torch.float64)

BESIDE: dict[str, tuple[PromptEdit, Recipe]] = {
    "replace": (
        PromptEdit(prompt=SWAPPED),
        Recipe(SWAPPED, mapper=EYE),
    ),
    "replace, by word": (
        PromptEdit(
            prompt=SWAPPED,
            cross_replace_steps={"default_": 1, "tower": (0.2, 0.6)},
            self_replace_steps=(0.2, 0.9),
        ),
        Recipe(SWAPPED, EYE, {}, (0, 1), {3: (0.2, 0.6)}, (0.2, 0.9)),
    ),
    "replace, by word, the others all the time": (
        PromptEdit(prompt=SWAPPED, cross_replace_steps={"tower": 0.4}, self_replace_steps=0),
        Recipe(SWAPPED, EYE, {}, (0, 1), {3: (0, 0.4)}, (0, 0)),
    ),
    "refine": (
        PromptEdit(prompt=LONGER, cross_replace_steps=0.6),
        Recipe(LONGER, index=ADDED, cross=(0, 0.6)),
    ),
    "refine, weighed": (
        PromptEdit(prompt=LONGER, weights={"snowy": 3, "house": -1}),
        Recipe(LONGER, index=ADDED, equalizer={8: 3, 3: -1}),
    ),
    "reweight": (
        PromptEdit(prompt=SOURCE, weights={"red": -2, "meadow": 2.5}, self_replace_reduction=4),
        Recipe(SOURCE, equalizer={2: -2, 6: 2.5}, layout_pixels=4 * 4),
    ),
    "replace, weighed": (
        PromptEdit(prompt=SWAPPED, weights={"tower": 2}),
        Recipe(SWAPPED, EYE, equalizer={3: 2}),
    ),
    "local blend": (
        PromptEdit(
            prompt=SWAPPED,
            local_blend=LocalBlend(source=("house",), target=("tower",), subtract=("meadow",)),
        ),
        Recipe(SWAPPED, EYE, blend=Blend(([3], [3]), ([6], [6]))),
    ),
}  # fmt: skip


def latents(bundle: Bundle, request: PromptToPrompt) -> list[Tensor]:
    """After each step down; the pictures are not decoded."""
    run = prompt_to_prompt(bundle, request)
    found = [step.latents for step in islice(run, request.num_inference_steps)]
    run.close()
    return found


@pytest.fixture(scope="module")
def exact() -> Bundle:
    """The embedded model in float64, at half its size: maps of 8 × 8 and 4 × 4."""
    bundle = Bundle.load(POSTCARD, dtype=torch.float64)
    bundle.denoiser.register_to_config(sample_size=16)
    return bundle


@pytest.fixture(scope="module")
def side_by_side(exact: Bundle) -> list[Tensor]:
    """All edits of the table in one batch."""
    edits = tuple(edit for edit, _ in BESIDE.values())
    request = PromptToPrompt(
        prompt=SOURCE, edits=edits, num_inference_steps=5, guidance_scale=3.0, seed=4
    )
    return latents(exact, request)


@pytest.mark.parametrize("name", BESIDE)
def test_the_published_algorithm_step_by_step(
    name: str, exact: Bundle, side_by_side: list[Tensor]
) -> None:
    expected = published.prompt_to_prompt(exact, SOURCE, [BESIDE[name][1]], 5, 3.0, seed=4)
    row = list(BESIDE).index(name) + 1
    for number, (mine, theirs) in enumerate(zip(side_by_side, expected, strict=True), start=1):
        pair = mine[[0, row]]
        torch.testing.assert_close(pair, theirs, rtol=0, atol=1e-8, msg=f"step {number}")
        assert torch.equal(same_cells(pair), same_cells(theirs)), number
    assert (side_by_side[-1][row] - side_by_side[-1][0]).abs().max() > 0.1


def same_cells(pair: Tensor) -> Tensor:
    """Where the target is its source exactly: what a local blend put back."""
    return (pair[0] == pair[1]).all(0)


# --- laws, on small random models ----------------------------------------------------------------


@pytest.fixture(scope="module", params=["1.x", "xl"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("tiny")
    make = toys.tiny_xl_pipeline if request.param == "xl" else toys.tiny_pipeline
    return Bundle.of(make(folder))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(2)
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32))


def ask(*edits: PromptEdit, **changes: Any) -> PromptToPrompt:
    settings: dict[str, Any] = {
        "prompt": "a cat, by",
        "edits": edits,
        "num_inference_steps": 4,
        "guidance_scale": 2.0,
        "seed": 5,
        **changes,
    }
    return PromptToPrompt(**settings)


def plain(bundle: Bundle, prompt: str, request: PromptToPrompt) -> Tensor:
    """What plain generation draws: the same noise, no attention control."""
    size = (bundle.size, bundle.size)
    words, without = bundle.embed(prompt, size), bundle.embed("", size, negative=True)
    generators = noise.generators([request.seed])
    solver = solvers.make(
        request.scheduler,
        bundle.scheduler_config,
        request.num_inference_steps,
        generators=generators,
    )
    x = solver.prior(noise.draw(generators, (4, 16, 16)))
    *_, last = walk(x, guided(bundle, words, without, request.guidance_scale), solver)
    return last.latents


def near(one: Tensor, other: Tensor) -> None:
    """Random networks go far out, so the bound is relative to the largest latent."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


@pytest.mark.parametrize(
    "windows", [(0.0, 0.0), (1.0, 1.0), (0.6, 0.3), ({"cat": (0.2, 0.5)}, 0.5)]
)
def test_equal_prompts_change_nothing(bundle: Bundle, windows: Any) -> None:
    cross, layout = windows
    edit = PromptEdit(
        prompt="a cat, by", cross_replace_steps=cross, self_replace_steps=layout, weights={"cat": 1}
    )
    rows = latents(bundle, ask(edit))[-1]
    near(rows[1], rows[0])
    if cross in (0.0, 1.0):
        assert torch.equal(rows[1], rows[0])


@pytest.mark.parametrize("name", solvers.CLASSES)
def test_the_source_is_what_plain_generation_draws(small: Bundle, name: str) -> None:
    """Also where a solver draws noise in its steps; and without windows so is every edit."""
    free = PromptEdit(prompt="a dog at", cross_replace_steps=0, self_replace_steps=0)
    bound = PromptEdit(prompt="a dog, by", self_replace_reduction=1)
    request = ask(free, bound, scheduler=name)
    rows = latents(small, request)[-1]
    near(rows[:1], plain(small, "a cat, by", request))
    near(rows[1:2], plain(small, "a dog at", request))
    assert (rows[2:] - plain(small, "a dog, by", request)).abs().max() > 1e-3


def test_the_networks_are_as_they_were_between_any_two_steps(small: Bundle) -> None:
    before = dict(small.denoiser.attn_processors)
    weights = {name: each.clone() for name, each in small.denoiser.state_dict().items()}
    run = prompt_to_prompt(small, ask(PromptEdit(prompt="a dog, by"), attention=True))
    for _ in range(2):
        next(run)
        assert small.denoiser.attn_processors == before
    run.close()
    assert small.denoiser.attn_processors == before
    assert all(
        torch.equal(each, weights[name]) for name, each in small.denoiser.state_dict().items()
    )


def test_a_batch_is_cut_where_it_would_be_too_large(
    small: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    blend = LocalBlend(source=("cat",), target=("dog",), start_blend=0)
    edits = [PromptEdit(prompt=f"a {each}, by") for each in ("dog", "cow", "bat")]
    edits.append(PromptEdit(prompt="a dog, by", local_blend=blend))
    whole = latents(small, ask(*edits))[-1]
    home = sys.modules[PromptToPrompt.__module__]
    for rows in (2, 6):  # the source with one edit, or with two, guided
        monkeypatch.setattr(home, "ROOM", rows * 16 * 16)
        near(latents(small, ask(*edits))[-1], whole)


def test_more_room_takes_more_rows() -> None:
    assert cut(9, ROOM, (4, 64, 64), 3.0) == [[0, 1, 2, 3, 4, 5, 6, 7, 8]]
    assert cut(4, ROOM, (4, 128, 128), 3.0) == [[0, 1], [0, 2], [0, 3]]
    assert cut(4, ROOM, (4, 128, 128), 1.0) == [[0, 1, 2, 3]]
    assert cut(3, 0, (4, 8, 8), 3.0) == [[0, 1], [0, 2]]


def test_outside_a_drawn_mask_an_edit_is_its_source(small: Bundle) -> None:
    mask = Image.new("L", (32, 32))
    ImageDraw.Draw(mask).rectangle((0, 0, 15, 31), fill=255)
    edit = drain(prompt_to_prompt(small, ask(PromptEdit(prompt="a dog, by", mask_image=mask))))
    source, after = (np.asarray(each) for each in edit.images)
    assert (source[:, 16:] == after[:, 16:]).all()
    assert (source[:, :16] != after[:, :16]).any()
    wide = PromptEdit(prompt="a dog, by", mask_image=mask.crop((0, 0, 32, 16)))
    with pytest.raises(ValueError, match=r"32×16 .* of 32×32; they must be of one shape\.$"):
        next(prompt_to_prompt(small, ask(wide)))


def test_a_blend_everywhere_or_nowhere(small: Bundle) -> None:
    """Threshold 1 is exceeded nowhere, so the source stays; at 0 nothing is put back."""

    def blended(threshold: float) -> PromptEdit:
        blend = LocalBlend(source=("cat",), target=("dog",), threshold=threshold, start_blend=0)
        return PromptEdit(prompt="a dog, by", local_blend=blend)

    rows = latents(small, ask(blended(1.0), blended(0.0), PromptEdit(prompt="a dog, by")))[-1]
    assert torch.equal(rows[1], rows[0])
    near(rows[2], rows[3])


# --- given pictures ------------------------------------------------------------------------------


def phases(bundle: Bundle, request: PromptToPrompt, sources: Sources) -> list[str]:
    return [step.phase for step in prompt_to_prompt(bundle, request, sources)]


def test_direct_inversion_keeps_the_picture_itself(bundle: Bundle, picture: Image.Image) -> None:
    request = ask(PromptEdit(prompt="a dog, by"), image=picture)
    edit = drain(prompt_to_prompt(bundle, request))
    (itself,) = bundle.decode(bundle.encode(picture, []))
    assert np.abs(np.asarray(edit.images[0], int) - np.asarray(itself, int)).max() <= 1
    assert edit.report.reconstruction_psnr == pytest.approx(edit.report.ceiling_psnr, abs=0.2)
    assert edit.views["before"].tobytes() == picture.tobytes()
    assert edit.images[1].tobytes() != edit.images[0].tobytes()


def test_a_second_edit_of_a_picture_pays_for_itself_only(
    small: Bundle, picture: Image.Image
) -> None:
    sources = Sources(inversions=Latest(2))
    request = ask(PromptEdit(prompt="a dog, by"), image=picture)
    assert phases(small, request, sources) == ["inverting"] * 4 + ["denoising"] * 4
    again = ask(PromptEdit(prompt="a cow, by"), image=picture.copy())
    assert phases(small, again, sources) == ["denoising"] * 4
    other = ask(PromptEdit(prompt="a dog, by"), image=picture, prompt="a bat, by")
    assert phases(small, other, sources)[0] == "inverting"
    fewer = ask(PromptEdit(prompt="a dog, by"), image=picture, num_inference_steps=3)
    assert phases(small, fewer, sources)[0] == "inverting"  # and pushes the first one out
    assert phases(small, request, sources)[0] == "inverting"


def test_negative_prompt_inversion_makes_guidance_nothing_to_the_source(
    small: Bundle, picture: Image.Image
) -> None:
    """The source's own words are subtracted from themselves: plain DDIM at any guidance."""
    dog = PromptEdit(prompt="a dog, by")
    one, two = (
        latents_down(small, ask(dog, image=picture, inversion="negative-prompt", guidance_scale=w))
        for w in (1.5, 6.0)
    )
    near(one[:1], two[:1])
    assert (one[1] - two[1]).abs().max() > 1e-3


def latents_down(bundle: Bundle, request: PromptToPrompt) -> Tensor:
    *_, last = prompt_to_prompt(bundle, request)
    return last.latents


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_null_text_inversion_tunes_and_leaves_no_trace(
    small: Bundle, picture: Image.Image, guidance_scale: float
) -> None:
    sources, dog = Sources(), PromptEdit(prompt="a dog, by")
    tuned = ask(dog, image=picture, inversion="null-text", guidance_scale=guidance_scale)
    seen: list[str] = []
    for step in prompt_to_prompt(small, tuned, sources):
        seen.append(step.phase)
        assert not small.denoiser.is_gradient_checkpointing
        assert not step.latents.requires_grad
    tuning = ["tuning"] * 4 if guidance_scale > 1 else []  # else there is nothing to tune
    kinds = [each.partition(",")[0] for each in seen]
    assert kinds == ["inverting"] * 4 + tuning + ["denoising"] * 4
    assert all(float(each.removeprefix("tuning, loss ")) >= 0 for each in seen if "tun" in each)
    assert not any(each.requires_grad for each in small.denoiser.parameters())
    assert phases(small, tuned, sources) == ["denoising"] * 4


def test_null_text_inversion_comes_nearer_to_the_picture(exact: Bundle) -> None:
    image = Image.open(POSTCARD / "examples" / "a-house-under-the-peaks.png").convert("RGB")
    words = exact.embed("a red house", (128, 128))
    without = exact.embed("", (128, 128))
    asked = Asked("null-text", exact.read("a red house"), exact.read(""), 4.0, 3)
    clean = exact.encode(image.resize((128, 128)), [])
    found = finish(inverted(exact, image.resize((128, 128)), asked, Latest(1)))
    assert len(found.without) == 3
    errors: list[float] = []
    for nulls in ([without] * 3, found.without):
        each = [guided(exact, words, null, 4.0) for null in nulls]
        down = solvers.make("ddim", exact.scheduler_config, 3)
        *_, last = walk(found.way[-1], lambda x, m: each[m.index - 1](x, m), down)  # noqa: B023
        errors.append(float((last.latents - clean).square().mean()))
    assert errors[1] < 0.8 * errors[0], errors


def test_null_text_inversion_takes_the_official_rates_and_bounds(
    exact: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 50 steps, step i: Adam at 1e-2 (1 - i/100) until the loss is below 1e-5 + 2e-5 i."""
    seen: list[tuple[float, float]] = []

    def run(_: object, without: Any, rate: float, enough: float) -> tuple[Any, float]:
        seen.append((rate, enough))
        return without, 0.0

    monkeypatch.setattr("pipelines.core.inversion._Tuning.run", run)
    asked = Asked("null-text", exact.read("a red house"), exact.read(""), 4.0, 5)
    finish(inverted(exact, Image.new("RGB", (64, 64), "teal"), asked, Latest(1)))
    rates, bounds = zip(*seen, strict=True)
    assert rates == pytest.approx([0.010, 0.009, 0.008, 0.007, 0.006])
    assert bounds == pytest.approx([1e-5, 21e-5, 41e-5, 61e-5, 81e-5])


def test_each_prompt_is_read_once(small: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source, edits and what is to be left out, whoever needs their words or tokens."""
    texts: list[str] = []
    kind: Any = type(small.tokenizers[0])
    called = kind.__call__

    def counting(tokenizer: Any, text: str, **options: Any) -> Any:
        texts.append(text)
        return called(tokenizer, text, **options)

    monkeypatch.setattr(kind, "__call__", counting)
    edits = (
        PromptEdit(prompt="a red dog", weights={"dog": 2.0}, cross_replace_steps={"red": 0.5}),
        PromptEdit(prompt="a cat", local_blend=LocalBlend(source=("cat",), target=("cat",))),
    )
    request = PromptToPrompt(
        prompt="a red cat",
        negative_prompt="fog",
        edits=edits,
        attention=True,
        num_inference_steps=2,
    )
    drain(prompt_to_prompt(small, request))
    assert sorted(texts) == ["a cat", "a red cat", "a red dog", "fog"]


def finish(run: Generator[Step, None, Inversion]) -> Inversion:
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


# --- what is said about it -----------------------------------------------------------------------


def test_the_maps_of_words_are_an_atlas_per_picture(small: Bundle) -> None:
    request = ask(PromptEdit(prompt="a dog, by me"), attention=True)
    edit = drain(prompt_to_prompt(small, request))
    legend = edit.report.attention
    assert legend is not None
    assert legend.words == [["a", "cat", "by"], ["a", "dog", "by", "me"]]
    assert [len(each) for each in legend.peaks] == [3, 4]
    across, down = legend.size
    for row in (0, 1):
        atlas = edit.views[f"attention/{row}"]
        assert (atlas.mode, atlas.size) == ("L", (4 * across, 5 * down))
        for word in range(3):
            steps = [maps.cell(atlas, (across, down), word, step) for step in (1, 2, 3, 4)]
            assert maps.cell(atlas, (across, down), word).getextrema()[1] == 255
            assert max(each.getextrema()[1] for each in steps) == 255
    bare = drain(prompt_to_prompt(small, ask(PromptEdit(prompt="a dog, by me"))))
    assert bare.report.attention is None
    assert bare.images[1].tobytes() == edit.images[1].tobytes()


def test_a_comparison_says_what_was_done(postcard: Bundle) -> None:
    request = PromptToPrompt(
        prompt="a red house",
        num_inference_steps=1,
        edits=(
            PromptEdit(prompt="a blue house"),
            PromptEdit(prompt="a red pine tree", weights={"pine tree": 2}),
            PromptEdit(prompt="a red house", weights={"red": -1.5}),
            PromptEdit(prompt="a red house"),
            PromptEdit(prompt="a red Zeppelin " + "by day " * 20),
        ),
    )
    edit = drain(prompt_to_prompt(postcard, request))
    assert edit.results[0].change is None
    changes = [each.change for each in edit.results if each.change is not None]
    kinds = [each.kind for each in changes]
    assert kinds == ["replace", "refine", "reweight", "same", "refine"]
    said = [each.said for each in changes]
    assert said[0] == "Replaced: “red” became “blue”."
    assert "numbers of words differ" in said[1] and "“pine tree” × 2" in said[1]
    assert said[2] == "The same words, weighed. “red” × -1.5."
    assert said[3] == "The same words, so the same picture."
    assert (changes[3].changed, changes[3].where) == (0, None)
    assert edit.report.unknown_words == ["Zeppelin"]
    assert edit.seeds == [0] * 6


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "no edits": ({"edits": ()}, "Add an edit"),
    "nine edits": ({"edits": (PromptEdit(),) * 9}, "At most 8 edits"),
    "scheduler": ({"image": Image.new("RGB", (8, 8)), "scheduler": "euler"}, "DDIM"),
    "inversion": ({"inversion": "magic"}, "Inversion must be one of"),
    "negative words": (
        {
            "image": Image.new("RGB", (8, 8)),
            "inversion": "negative-prompt",
            "negative_prompt": "fog",
        },
        "leave them empty",
    ),
    "mask": (
        {
            "image": Image.new("RGB", (8, 8)),
            "edits": (PromptEdit(mask_image=Image.new("L", (9, 9))),),
        },
        "one size",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused_with_a_sentence(name: str) -> None:
    changes, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence) as refused:
        ask(**{"edits": (PromptEdit(prompt="a dog"),), **changes})
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        ({"cross_replace_steps": 1.2}, "Words bind must lie between 0 and 1"),
        ({"cross_replace_steps": {"cat": "all"}}, "Words bind must be a number"),
        ({"cross_replace_steps": (0.5, 0.2)}, "must begin before it ends"),
        ({"self_replace_steps": float("nan")}, "Layout must be a number"),
        ({"self_replace_reduction": 3}, "must be 1, 2, 4 or 8"),
        ({"weights": {"cat": 99}}, "strength of “cat” must lie"),
        ({"mask_image": "here"}, "Mask must be a picture"),
        ({"prompt": 7}, "Words must be text"),
    ],
)
def test_an_edit_is_refused_with_a_sentence(edit: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        PromptEdit(**edit)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (PromptEdit(prompt="a dog", weights={"cat": 2}), "“cat” is not among the words of edit 1"),
        (PromptEdit(prompt="a dog", cross_replace_steps={"cow": 1}), "“cow” is not among"),
        (PromptEdit(prompt="a dog", local_blend=LocalBlend(source=("cow",))), "of the source"),
        (PromptEdit(prompt="a dog", local_blend=LocalBlend(target=("cat",))), "of edit 1"),
        (
            PromptEdit(prompt="a dog", local_blend=LocalBlend(target=("dog",), subtract=("cow",))),
            "“cow” is not among",
        ),
    ],
)
def test_a_word_that_is_not_there_is_named(small: Bundle, edit: PromptEdit, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        next(prompt_to_prompt(small, ask(edit)))
    assert str(refused.value).endswith(".")
    with pytest.raises(ValueError, match="needs a word"):
        LocalBlend()


def test_whole_numbers_do_where_shares_are_meant(small: Bundle) -> None:
    whole = PromptEdit(prompt="a dog, by", cross_replace_steps=1, self_replace_steps=1)
    share = PromptEdit(prompt="a dog, by", cross_replace_steps=1.0, self_replace_steps=(0, 1.0))
    rows = latents(small, ask(whole, share))[-1]
    assert torch.equal(rows[1], rows[2])


# --- a source that is kept -----------------------------------------------------------------------

FIRST = PromptEdit(prompt="a bat, by", cross_replace_steps=0.2, self_replace_steps=0)
BLEND = LocalBlend(source=("cat",), target=("dog",), start_blend=0)
AGAIN = (
    PromptEdit(prompt="a dog, by", self_replace_steps=1),  # longer than the first one's windows
    PromptEdit(prompt="a cow at", cross_replace_steps={"cow": (0.2, 0.5)}, weights={"cow": 2}),
    PromptEdit(prompt="a dog, by", local_blend=BLEND),
)
WAYS: dict[str, dict[str, Any]] = {
    "drawn by seed": {},
    "unguided": {"guidance_scale": 1.0},
    "two calls a step": {"scheduler": "heun"},
    "noise in the steps": {"scheduler": "euler_ancestral"},
    "held to a picture": {"inversion": "direct"},
    "a picture's own words below": {"inversion": "negative-prompt"},
    "more words than a window has": {"negative_prompt": "a cat, by " * 12},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_kept_source_is_not_run_again_and_changes_nothing(
    way: str, small: Bundle, picture: Image.Image
) -> None:
    settings = {**WAYS[way], **({"image": picture} if "inversion" in WAYS[way] else {})}
    sources = Sources()
    before, _ = way_down(small, ask(FIRST, **settings), sources)
    after, rows = way_down(small, ask(*AGAIN, **settings), sources)
    fresh, all_rows = way_down(small, ask(*AGAIN, **settings), Sources())
    near(after, fresh)
    near(after[:1], before[:1])
    half = 1 if settings.get("guidance_scale") == 1 else 2  # of guidance
    assert set(rows) == {half * len(AGAIN)}
    assert len(rows) == len(all_rows)
    assert min(all_rows) > max(rows)


def test_a_kept_source_is_not_decoded_again(
    small: Bundle, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, decoded = Sources(), list[int]()
    decode = small.decode

    def counted(latents: Tensor) -> list[Image.Image]:
        decoded.append(len(latents))
        return decode(latents)

    monkeypatch.setattr(small, "decode", counted)
    first = drain(prompt_to_prompt(small, ask(FIRST, image=picture), sources))
    assert decoded == [1, 2]  # what the autoencoder can do at best, the source and its edit
    again = drain(prompt_to_prompt(small, ask(*AGAIN, image=picture), sources))
    assert decoded == [1, 2, len(AGAIN)]
    assert again.images[0].tobytes() == first.images[0].tobytes()
    assert again.report == first.report


def way_down(bundle: Bundle, request: PromptToPrompt, sources: Sources) -> tuple[Tensor, list[int]]:
    """The last latents, and the rows of each call of the network but those of an inversion."""
    rows: list[int] = []
    hook = bundle.denoiser.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    run = prompt_to_prompt(bundle, request, sources)
    try:
        for step in run:
            if step.phase != "denoising":
                rows.clear()
            last = step.latents
    finally:
        hook.remove()
    return last, rows  # pyright: ignore[reportPossiblyUnboundVariable]


def test_a_kept_source_shows_its_attention(small: Bundle) -> None:
    sources, request = Sources(), ask(*AGAIN, attention=True)
    drain(prompt_to_prompt(small, ask(FIRST), sources))
    kept, fresh = (drain(prompt_to_prompt(small, request, each)) for each in (sources, Sources()))
    for row in range(4):
        pages = [np.asarray(edit.views[f"attention/{row}"], int) for edit in (kept, fresh)]
        assert np.abs(pages[0] - pages[1]).max() <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cow, by"},
        {"seed": 6},
        {"guidance_scale": 3.0},
        {"negative_prompt": "a dog"},
        {"num_inference_steps": 3},
        {"scheduler": "euler"},
    ],
)
def test_another_source_is_run_by_itself(small: Bundle, change: dict[str, Any]) -> None:
    sources = Sources()
    way_down(small, ask(FIRST), sources)
    other, rows = way_down(small, ask(FIRST, **change), sources)
    near(other, way_down(small, ask(FIRST, **change), Sources())[0])
    assert set(rows) == {4}


def test_a_finer_layout_runs_the_source_again(small: Bundle) -> None:
    sources, finer = Sources(), PromptEdit(prompt="a dog, by", self_replace_reduction=1)
    way_down(small, ask(FIRST), sources)
    near(way_down(small, ask(finer), sources)[0], way_down(small, ask(finer), Sources())[0])


def test_a_source_that_was_stopped_or_takes_too_much_is_run_again(
    small: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources()
    run = prompt_to_prompt(small, ask(FIRST), sources)
    next(run)
    run.close()
    monkeypatch.setattr(sys.modules[Tape.__module__], "MOST", 10_000)
    for _ in range(2):
        _, rows = way_down(small, ask(FIRST), sources)
        assert set(rows) == {4}
