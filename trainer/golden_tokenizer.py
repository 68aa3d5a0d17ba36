"""Write test/fixtures/tokenizer/golden.json: what transformers' CLIPTokenizer makes of 2,300 strings.

The strings come from a fixed seed and from Python's frozen Unicode 3.2 tables, so that the same transformers writes the
same bytes. Newer characters are listed by hand, none newer than Unicode 14: later ones change class between runtimes.
The merges go beside it (merges.txt.gz), from which the test builds the vocabulary as `make_tokenizer.py` does.
"""

import argparse
import gzip
import json
import random
import tempfile
import unicodedata
from pathlib import Path

import transformers
from transformers import CLIPTokenizer

from make_tokenizer import END, make_tokenizer

# One stretch of code points a script; unassigned ones in between are left out.
SCRIPTS = {
    "latin": [(0x41, 0x5B), (0x61, 0x7B), (0xC0, 0x250)],
    "greek": [(0x370, 0x400), (0x1F00, 0x2000)],
    "cyrillic": [(0x400, 0x530)],
    "armenian": [(0x531, 0x588)],
    "hebrew": [(0x591, 0x5F5)],
    "arabic": [(0x600, 0x700), (0xFB50, 0xFE00)],
    "syriac": [(0x700, 0x750)],
    "devanagari": [(0x900, 0x980)],
    "bengali": [(0x980, 0xA00)],
    "gurmukhi": [(0xA00, 0xA80)],
    "tamil": [(0xB80, 0xC00)],
    "telugu": [(0xC00, 0xC80)],
    "malayalam": [(0xD00, 0xD80)],
    "sinhala": [(0xD80, 0xE00)],
    "thai": [(0xE00, 0xE80)],
    "lao": [(0xE80, 0xF00)],
    "tibetan": [(0xF00, 0x1000)],
    "myanmar": [(0x1000, 0x1060)],
    "georgian": [(0x10A0, 0x1100)],
    "hangul": [(0x1100, 0x1200), (0x3130, 0x3190), (0xAC00, 0xD7A4)],
    "ethiopic": [(0x1200, 0x1380)],
    "cherokee": [(0x13A0, 0x13F5)],
    "khmer": [(0x1780, 0x1800)],
    "mongolian": [(0x1800, 0x18B0)],
    "kana": [(0x3041, 0x3100), (0xFF66, 0xFFA0)],
    "han": [(0x4E00, 0x9FA6), (0xF900, 0xFA6B), (0x20000, 0x20100)],
    "math": [(0x1D400, 0x1D7CA)],
    "marks": [(0x300, 0x370), (0x61, 0x7B)],
    "symbols": [(0x2000, 0x2800)],
    "fullwidth": [(0xFF01, 0xFFEF)],
    "ascii": [(0x20, 0x7F)],
    "control": [(0x0, 0x20), (0x7F, 0xA1), (0x61, 0x7B)],
    "private": [(0xE000, 0xE010), (0xFFF0, 0x10000), (0x10FFF0, 0x110000)],
}

EMOJI = ["😀", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "🧑🏿‍🚀", "🫠", "🐈‍⬛", "☕", "🪐", "👁️‍🗨️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "✂︎", "🤷🏻‍♀️"]
WHITE_SPACE = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\x0b",
    "\x1c",
    "\x85",
    "\xa0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u3000",
    "\u200b",
    "\ufeff",
]
WORDS = (  # noqa: SIM905 (a list would take a line for each word)
    "a red apple on blue background photo of cat dogs kitty crimson automobile rose petals tulip 3d 4k masterpiece "
    "trending artstation Van Gogh's don't we're I'll you've he'd I'm CAN'T MIXEDcase snake_case C++ e=mc2 1,234.56 "
    "$99 50% https://example.org/x?y=1&z=2 @user #tag (bracketed:1.3) [square] {curly} <tag> &amp; &lt;b&gt; &#39; "
    "&eacute; naïve façade Straße ΟΔΟΣ İstanbul ﬁne ½ ② Ⅷ x² résumé cafe\u0301 A\u030a Å ñ n\u0303 가 가 が か\u3099"
).split(" ")
FIXED = [
    "", " ", "\n", "a", "A", "!", "'", "''", "'s", "''s", "!'s", "'S", "it's", "IT'S", "x'll'd", "\u2019s", "0",
    "007", "3.14", "a photo of a cat", "A diagram, 3 dogs & 2 cats!", "naïve façade ☕", "日本語 テスト",
    "red heart ❤️", "  multiple   spaces\n&amp; entities", "<|startoftext|>", "<|endoftext|>",
    "a<|endoftext|>b", "<|EndOfText|>", "<|endoftext|", "<|endoftext|><|startoftext|> x <|endoftext|>!", "</w>",
    "cat</w>", "ΣΑΣ ΟΔΥΣΣΕΥΣ Σ", "ǅ ǈ ǋ ß ẞ", "İıIi", "\u0345", "K Å Ω", "\ufb01\ufb02", "\u1e9b\u0323",
    "\u0f73\u0f75", "\u2126", "q\u0307\u0323", "a" * 77, "ab" * 200, "supercalifragilistic" * 12,
    "antidisestablishmentarianism", "é" * 90, "語" * 90, "😀" * 40, "\u0301" * 60, "1" * 90, "!?" * 90, "z" * 500,
    " " * 300 + "x", "\x00", "a\x00b", "\ufffd", "\ufeffcat", "cat\u200bdog", "\u202eabc", "soft\u00adhyphen",
    "zero\u200dwidth",
]  # fmt: skip


def strings(count: int) -> list[str]:
    """`count` different strings: the fixed ones, every script, mixtures of words, emoji and white space."""
    rng = random.Random("clip tokenizer golden")
    assigned = unicodedata.ucd_3_2_0.category
    scripts = [
        [chr(c) for a, b in ranges for c in range(a, b) if name == "private" or assigned(chr(c)) != "Cn"]
        for name, ranges in SCRIPTS.items()
    ]
    found = dict.fromkeys(FIXED + EMOJI + WORDS)
    while len(found) < count:
        script = rng.choice(scripts)
        kind = rng.randrange(4)
        if kind == 0:
            text = " ".join("".join(rng.choices(script, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 4)))
        elif kind == 1:
            text = " ".join(rng.choices(WORDS, k=rng.randint(1, 9)))
        elif kind == 2:
            parts = rng.choices(WORDS, k=4) + rng.choices(EMOJI, k=2) + rng.choices(script, k=3)
            rng.shuffle(parts)
            text = "".join(part + rng.choice(WHITE_SPACE + [""] * 8) for part in parts)
        else:
            text = "".join(rng.choice(rng.choice(scripts)) for _ in range(rng.randint(1, 12)))
        found[text] = None
    return list(found)


def golden(bpe: Path, out: Path, count: int) -> None:
    """Write `golden.json` and `merges.txt.gz` into `out`."""
    texts = strings(count)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {pad: Path(scratch) / str(index) for index, pad in enumerate([END, "!"])}
        for pad, folder in folders.items():
            make_tokenizer(bpe, folder, model_max_length=77, pad_token=pad)
        merges = (folders[END] / "merges.txt").read_bytes()
        loaded = {pad: CLIPTokenizer.from_pretrained(folder) for pad, folder in folders.items()}
    plain = [[text, loaded[END](text)["input_ids"][1:-1]] for text in texts]
    padded = [
        {"pad": pad, "text": text, "ids": tokenizer(text, padding="max_length", truncation=True)["input_ids"]}
        for pad, tokenizer in loaded.items()
        for text in ["", "a photo of a cat!", "wow!! a!b", "word " * 80, "z" * 500, "<|endoftext|> " * 90]
    ]
    rows = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in plain)
    tail = ",\n".join(json.dumps(row, separators=(",", ":")) for row in padded)
    out.mkdir(parents=True, exist_ok=True)
    (out / "golden.json").write_text(
        f'{{"transformers":"{transformers.__version__}",\n"plain":[\n{rows}\n],\n"padded":[\n{tail}\n]}}\n',
        encoding="utf-8",
    )
    (out / "merges.txt.gz").write_bytes(gzip.compress(merges, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bpe", type=Path, required=True, help="the merge list, see make_tokenizer.py")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "test/fixtures/tokenizer")
    parser.add_argument("--count", type=int, default=2300)
    options = parser.parse_args()
    golden(options.bpe, options.out, options.count)


if __name__ == "__main__":
    main()
