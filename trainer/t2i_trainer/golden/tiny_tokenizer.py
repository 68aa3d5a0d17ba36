"""A CLIP tokenizer in miniature for the tiny models: the same files and rules, the merges of a few dozen words."""

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel

CONTEXT = 16
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = [
    *["a", "an", "the", "on", "of", "and", "with", "in", "photo", "picture", "drawing", "background", "small", "large"],
    *["red", "green", "blue", "yellow", "white", "black", "pink", "purple", "orange", "two", "three"],
    *["apple", "cat", "dog", "rose", "tulip", "sunflower", "daisy", "flower", "sun", "moon", "star", "heart"],
    *["tree", "house", "boat", "car", "bird", "fish"],
]

# The pattern of OpenAI's simple_tokenizer.py, which splits text into words before the merges.
WORD_PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def merges() -> list[tuple[str, str]]:
    """Left to right through every word: `r e`, `re d</w>`."""
    found: dict[tuple[str, str], None] = {}
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        left = pieces[0]
        for right in pieces[1:]:
            found[left, right] = None
            left += right
    return list(found)


def vocabulary() -> dict[str, int]:
    """CLIP's order: bytes, bytes that end a word, merges, the two special tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{piece}</w>" for piece in alphabet), *("".join(pair) for pair in merges()), START, END]
    return {token: index for index, token in enumerate(tokens)}


def write_tokenizer_files(folder: Path) -> None:
    """vocab.json, merges.txt and tokenizer_config.json, as transformers 4 saves them."""
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary(), ensure_ascii=False) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges()))
    _write_config(folder)


def write_tokenizer_json(folder: Path) -> None:
    """tokenizer.json and tokenizer_config.json, as transformers 5 saves them."""
    folder.mkdir(parents=True)
    vocab = vocabulary()
    tokenizer = Tokenizer(
        models.BPE(
            vocab, merges(), unk_token=END, end_of_word_suffix="</w>", continuing_subword_prefix="", fuse_unk=False
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, vocab[END]), (START, vocab[START]), add_prefix_space=False, trim_offsets=False
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_config(folder)


def _write_config(folder: Path) -> None:
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "do_lower_case": True,
        "model_max_length": CONTEXT,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
