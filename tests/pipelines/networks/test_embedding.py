"""What a text encoder says of a prompt: as ever without marks, by plain formulas with them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipelines import Bundle
from pipelines.networks import adapters
from pipelines.networks.conditioning import Conditioning
from tests import toys

SIZE = (32, 32)


@pytest.fixture(scope="module", params=["1.x", "xl"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("tiny")
    make = toys.tiny_xl_pipeline if request.param == "xl" else toys.tiny_pipeline
    return Bundle.of(make(folder))


def whole(bundle: Bundle, prompt: str) -> tuple[Tensor, Tensor | None]:
    """One window as diffusers' pipelines embed it."""
    found: list[Tensor] = []
    pooled = None
    large = len(bundle.text_encoders) == 2
    for tokenizer, encoder in zip(bundle.tokenizers, bundle.text_encoders, strict=True):
        coded = tokenizer(
            prompt,
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        out = encoder(coded.input_ids, output_hidden_states=True)
        found.append(out.hidden_states[-2] if large else out.last_hidden_state)
        pooled = out.text_embeds if large and "text_embeds" in out else pooled
    return torch.cat(found, dim=-1), pooled


def same(found: Conditioning, tokens: Tensor, pooled: Tensor | None) -> None:
    assert torch.equal(found.tokens, tokens)
    assert (found.pooled is None) == (pooled is None)
    assert found.pooled is None or pooled is None or torch.equal(found.pooled, pooled)


@pytest.mark.parametrize("prompt", ["", "a cat, by", "abcde fghij, k.", r"a\b"])
def test_a_prompt_without_marks_is_embedded_as_by_diffusers(bundle: Bundle, prompt: str) -> None:
    same(bundle.embed(prompt, SIZE), *whole(bundle, prompt))


def test_a_prompt_for_the_embedded_model_is_embedded_as_by_diffusers(postcard: Bundle) -> None:
    prompt = "a red house, on a meadow by day"
    same(postcard.embed(prompt, SIZE), *whole(postcard, prompt))


@pytest.mark.parametrize("prompt", ["a (cat:1), by", "a (cat)1.0, by", "(a cat, by:1)"])
def test_a_weight_of_one_is_none(bundle: Bundle, prompt: str) -> None:
    same(bundle.embed(prompt, SIZE), *whole(bundle, "a cat, by"))


def test_a_weighted_word_is_so_much_further_from_silence(bundle: Bundle) -> None:
    """ComfyUI's and compel's rule, written out for each token."""
    tokens, pooled = whole(bundle, "a cat, by")
    silence, _ = whole(bundle, "")
    expected = tokens.clone()
    for position, weight in ((2, 1.5), (3, 1.5), (4, 1.5), (6, -0.5), (7, -0.5)):
        away = tokens[0, position] - silence[0, position]
        expected[0, position] = silence[0, position] + weight * away
    found = bundle.embed("a (cat:1.5), (by:-0.5)", SIZE)
    torch.testing.assert_close(found.tokens, expected)
    still = [0, 1, 5, *range(8, 16)]
    assert torch.equal(found.tokens[:, still], tokens[:, still])
    assert found.pooled is None or torch.equal(found.pooled, pooled)  # type: ignore[arg-type]
    muted = bundle.embed("a (cat:0), by", SIZE).tokens
    torch.testing.assert_close(muted[:, 2:5], silence[:, 2:5])


def test_a_long_prompt_is_its_windows_one_after_another(bundle: Bundle) -> None:
    found = bundle.embed("abcde fghij klmno pq, BREAK r (st:2)", SIZE)
    parts = [whole(bundle, text) for text in ("abcde fghij", "klmno pq,")]
    assert torch.equal(found.tokens[:, :32], torch.cat([tokens for tokens, _ in parts], dim=1))
    assert torch.equal(found.tokens[:, 32:], bundle.embed("r (st:2)", SIZE).tokens)
    pooled = parts[0][1]  # the summary is the first window's
    assert found.pooled is None or torch.equal(found.pooled, pooled)  # type: ignore[arg-type]
    assert found.heard is None


def test_negative_words_are_weighed_too(bundle: Bundle) -> None:
    found = bundle.embed("(fog:1.5)", SIZE, negative=True)
    assert torch.equal(found.tokens, bundle.embed("(fog:1.5)", SIZE).tokens)
    assert not torch.equal(found.tokens, bundle.embed("fog", SIZE, negative=True).tokens)


def test_a_taught_word_can_be_weighed(tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path)
    path = tmp_path / "my style.safetensors"
    save_file({"emb_params": torch.randn(2, 32)}, path)
    adapters.add_embeddings(pipe, [path])
    bundle = Bundle.of(pipe)
    plain, weighed = (bundle.embed(text, SIZE).tokens for text in ("a my style", "a (my style:2)"))
    moved = (plain != weighed).any(-1)[0].nonzero().flatten().tolist()
    assert moved == [2, 3]


def test_rows_of_different_lengths_do_not_hear_each_other(bundle: Bundle) -> None:
    """Each row of a call is what it is alone, however long the words beside it are."""
    texts = ["a cat", "abcde fghij klmno pq, rst", "", "abcdefghijklmn " * 3]
    rows = [bundle.embed(text, SIZE) for text in texts]
    stacked = rows[0].over(rows[1]).over(rows[2].over(rows[3]))
    assert stacked.heard is not None
    assert stacked.heard.sum(1).tolist() == [16, 32, 16, 48]
    x, t = torch.randn(4, 4, 16, 16, generator=torch.manual_seed(0)), torch.tensor(500)
    with torch.no_grad():
        together = bundle.predict(x, t, stacked)
        for number, row in enumerate(rows):
            alone = bundle.predict(x[number : number + 1], t, row)
            torch.testing.assert_close(together[number : number + 1], alone, rtol=0, atol=1e-5)
        deaf = bundle.predict(x, t, Conditioning(stacked.tokens, stacked.pooled, stacked.ids))
    assert (deaf[0] - together[0]).abs().max() > 1e-3


def test_rows_of_one_length_are_all_heard(bundle: Bundle) -> None:
    rows = [bundle.embed(text, SIZE) for text in ("a cat", "a dog")]
    assert rows[0].over(rows[1]).heard is None
