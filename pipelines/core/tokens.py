"""Words as the text encoder sees them: which it does not know, which it has no room for."""

from pipelines.core.bundle import Bundle


def unknown(bundle: Bundle, text: str) -> list[str]:
    """The words of `text` that map to the unknown token, in order, each once; no punctuation.

    Byte-level vocabularies (every CLIP) know all words and give an empty list.
    """
    tokenizer = bundle.tokenizers[0]
    if tokenizer.unk_token_id is None or tokenizer.unk_token_id == tokenizer.eos_token_id:
        return []
    ids, spans = _spans(bundle, text)
    words = [text[a:b] for i, (a, b) in zip(ids, spans, strict=True) if i == tokenizer.unk_token_id]
    return [word for word in dict.fromkeys(words) if any(map(str.isalnum, word))]


def lost(bundle: Bundle, text: str) -> list[str]:
    """The words of `text` beyond the text encoder's length, in order."""
    tokenizer = bundle.tokenizers[0]
    room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
    _, spans = _spans(bundle, text)
    return text[spans[room][0] :].split() if len(spans) > room else []


def _spans(bundle: Bundle, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    with bundle.tokenizing:  # fast tokenizers must not be called from two threads at once
        coded = bundle.tokenizers[0](
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
    return coded["input_ids"], coded["offset_mapping"]
