"""Small tokenizers of the two kinds that video models use, and their chat templates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "USER: ASSISTANT: What is happening in this video? Describe the scene in detail.",
    "A person walks across the street while a red car is parked near the old house.",
    "The video shows two children playing football in a green park during the day.",
    "system user assistant You are a helpful assistant. List the objects, actions, and weather.",
    "0 1 2 3 4 5 6 7 8 9 . , : ; ! ? ( ) [ ] { } seconds frames Frame from video duration hours minutes",
] * 4

LLAVA_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'][0]['text'] }} {% else %}"
    "{{ m['role'].upper() + ': ' }}{% endif %}"
    "{% for c in m['content'] if c['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for c in m['content'] if c['type'] == 'video' %}{{ '<video>\n' }}{% endfor %}"
    "{% if m['role'] != 'system' %}{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] + ' ' }}{% endfor %}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}"
    "{% if m['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% elif c['type'] == 'image' %}{{ '<image>' }}{% elif c['type'] == 'video' %}{{ '<video>' }}{% endif %}"
    "{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def chatml_template(image: str, video: str) -> str:
    """The template of the Qwen family, with that model's placeholders."""
    return (
        (
            "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% for c in m['content'] %}"
            "{% if c['type'] == 'image' %}{{ IMAGE }}{% elif c['type'] == 'video' %}{{ VIDEO }}"
            "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
        )
        .replace("IMAGE", repr(image))
        .replace("VIDEO", repr(video))
    )


def llama_tokenizer(extra: Sequence[str], vocabulary: int = 600) -> Any:
    """SentencePiece-like BPE with byte fallback, as Llama has it; `<s>` is put in front."""
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    bpe = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    bpe.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=specials, max_token_length=8)
    )
    trained = json.loads(bpe.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in trained["merges"]]
    tokenizer = transformers.LlamaTokenizer(
        vocab=trained["vocab"], merges=merges, pad_token="<pad>", padding_side="left", model_max_length=4096
    )
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    added = [transformers.AddedToken(token, special=True, normalized=False) for token in extra]
    tokenizer.add_tokens(added, special_tokens=True)
    tokenizer.add_bos_token = True
    tokenizer.update_post_processor()
    return tokenizer


def byte_level_tokenizer(extra: Sequence[str], vocabulary: int = 700, **attributes: Any) -> Any:
    """Byte-level BPE, as GPT-2 and Qwen have it."""
    bos, eos, pad = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[pad, bos, eos, *extra],
    )
    bpe.train_from_iterator(CORPUS, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        padding_side="left",
        model_max_length=8192,
        **attributes,
    )
