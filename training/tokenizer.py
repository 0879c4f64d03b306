"""Words to numbers: one token a word, lower case, punctuation split off, unknown words marked so.

The result is a plain `tokenizers` model behind transformers' fast tokenizer: it is saved as
`tokenizer.json`, gives character offsets, and needs no code of ours to be loaded.
"""

from __future__ import annotations

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from training.captions import vocabulary

START, END, PAD, UNKNOWN = "<start>", "<end>", "<pad>", "<unknown>"
LENGTH = 32  # tokens of a caption, start and end included


def build() -> PreTrainedTokenizerFast:
    """The tokenizer of the world's vocabulary."""
    words = [START, END, PAD, UNKNOWN, ",", ".", *vocabulary()]
    numbers = {word: number for number, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A $B {END}",
        special_tokens=[(START, numbers[START]), (END, numbers[END])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=LENGTH,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
