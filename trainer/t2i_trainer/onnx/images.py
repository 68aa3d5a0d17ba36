"""Whole images as the last gate of an export, and what the manifest says of the empty prompt."""

import hashlib
import sys
from pathlib import Path

from transformers import CLIPTokenizer

from ..evaluation.psnr import psnr
from ..files import read_json
from .components import FLOAT16, FLOAT32
from .parity import ParityError
from .pipeline import OnnxGraph, encode, generate

LOWEST_PSNR = 35.0


def compare_images(
    folder: Path,
    guidance_scale: float,
    steps: int = 10,
    prompt: str = "a red apple on a blue background",
    graph: str | dict[str, str] = FLOAT16,  # of every component, or by component
) -> float:
    """Peak signal-to-noise ratio, in dB, of an image by the given graphs to the same image by the float32 graphs.

    Raises ParityError below 35 dB.
    """
    ids, empty = token_ids(folder, prompt), token_ids(folder, "")
    size = read_json(folder / "unet" / "config.json")["sample_size"]
    negative = empty if guidance_scale > 1 else None
    expected, drawn = (
        generate(folder, ids, negative, 0, steps, guidance_scale, size, one)[None] for one in (FLOAT32, graph)
    )
    ratio = float(psnr(expected, drawn)[0])
    what = "fp16" if graph == FLOAT16 else "int8"
    print(f"image by {what} against float32: {ratio:.1f} dB", file=sys.stderr)
    if ratio < LOWEST_PSNR:
        raise ParityError(f"an image by the {what} graphs is {ratio:.1f} dB from float32, allowed {LOWEST_PSNR}")
    return round(ratio, 2)


def null_states_hash(folder: Path) -> str:
    """SHA-256 of the text states of the empty prompt, float32 [1, context, width] by the float32 graph on this CPU."""
    states = encode(OnnxGraph(folder / "text_encoder" / FLOAT32), token_ids(folder, ""))
    return hashlib.sha256(states.tobytes()).hexdigest()


def token_ids(folder: Path, prompt: str) -> list[int]:
    context = read_json(folder / "text_encoder" / "config.json")["max_position_embeddings"]
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    return tokenizer(prompt, padding="max_length", truncation=True, max_length=context).input_ids
