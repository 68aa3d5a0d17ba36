"""`samples/`: an image of each prompt, and a page that shows them."""

import html
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import sha256_file, write_atomically


def write_gallery(folder: Path, prompts: Sequence[str], images: np.ndarray, caption: str) -> list[dict[str, str]]:
    """Writes `sample_1.png` and so on of images uint8 [n, h, w, 3], and README.md with `caption` above its table;
    removes samples of earlier prompts. Returns prompt, file and SHA-256 of each."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (prompt, image) in enumerate(zip(prompts, images, strict=True), 1):
        path = folder / f"sample_{number}.png"
        write_atomically(path, partial(Image.fromarray(image).save, format="PNG"))
        written.append({"prompt": prompt, "file": path.name, "sha256": sha256_file(path)})
    for path in set(folder.glob("sample_*.png")) - {folder / sample["file"] for sample in written}:
        path.unlink()
    rows = [f"| {cell(sample['prompt'])} | ![]({sample['file']}) |" for sample in written]
    text = "\n".join(["# Samples", "", caption, "", "| Prompt | Image |", "| --- | --- |", *rows, ""])
    write_atomically(folder / "README.md", lambda path: path.write_text(text, encoding="utf-8"))
    return written


def cell(text: str) -> str:
    """A text as a cell of a Markdown table, taken literally."""
    escaped = "".join(f"\\{sign}" if sign in "\\`*_[]#!|~" else sign for sign in html.escape(text, quote=False))
    return escaped.replace("\n", " ")
