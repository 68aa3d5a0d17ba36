"""Exports a training run to a model directory that the SDK runs: ONNX opset 17, weights stored once in fp16.

    python trainer/export.py --run runs/emoji-128 --out models/emoji-128 --name emoji-128

Each network becomes `model.onnx` (float32 arithmetic, for CPUs) and `model.fp16.onnx` (fp16 arithmetic, for GPUs) over
one `model.weights`. Every graph must agree with PyTorch before anything is published; where one does not, the command
ends with exit code 1 and the target is as it was.
"""

import argparse
import copy
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer

from t2i_trainer.emoji.english import FUNCTION_WORDS
from t2i_trainer.evaluation.psnr import psnr
from t2i_trainer.files import read_json, read_samples, sha256_file, write_json
from t2i_trainer.networks.autoencoder import TinyAutoencoder
from t2i_trainer.networks.denoiser import load_unet
from t2i_trainer.networks.text_encoder import count_states, load_text_encoder
from t2i_trainer.onnx.export import Graph, export_graph, text_encoder_graph, unet_graph, vae_decoder_graph
from t2i_trainer.onnx.half import half_compute
from t2i_trainer.onnx.parity import ParityError, Tolerance, judge, measure
from t2i_trainer.onnx.pipeline import OnnxGraph, encode, generate
from t2i_trainer.onnx.weights import half_weights, write_with_shared_weights
from t2i_trainer.presets import add_preset_flag

FLOAT32, FLOAT16 = "model.onnx", "model.fp16.onnx"
# fp16 arithmetic is judged by direction and by the image: the size of its error depends on the scale of an output.
FLOAT16_COSINE = 0.999
FLOAT16_PSNR = 35.0
# How to read them; safetensors alone, for diffusers would unpickle other weights.
AUTOENCODERS = {
    "AutoencoderKL": partial(AutoencoderKL.from_pretrained, use_safetensors=True),
    "TinyAutoencoder": TinyAutoencoder.from_pretrained,
}
MANIFEST = "t2i.json"


@dataclass(frozen=True)
class Component:
    """One of the three networks, in the run and in the model directory."""

    source: str
    target: str
    module: nn.Module
    graph: Callable[[nn.Module], Graph]
    tolerance: Tolerance
    """Of the float32 graph."""


def export(
    run: Path,  # training run in diffusers' layout: text_encoder/ unet/ vae/ scheduler/ tokenizer/
    out: Path,  # model directory, replaced as a whole
    name: str,  # name of the model in receipts
    steps: int = 30,  # defaults for requests that leave them out
    guidance_scale: float = 5.0,
    sampler: str = "ddim",
    presets: dict[str, int] | None = None,  # steps by name
) -> dict:
    """Returns the manifest. Raises ParityError where a graph differs from PyTorch; then nothing is published."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        parity = {}
        for part in load_components(run):
            parity |= export_component(part, run, temporary)
        shutil.copytree(run / "tokenizer", temporary / "tokenizer")
        (temporary / "scheduler").mkdir()
        shutil.copy(run / "scheduler" / "scheduler_config.json", temporary / "scheduler")
        write_json(temporary / "model_index.json", model_index(run))
        manifest = {
            "formatVersion": 1,
            "name": name,
            "files": hash_files(temporary),
            "defaults": {"steps": steps, "guidanceScale": guidance_scale, "sampler": sampler},
            **({"presets": {preset: {"steps": few} for preset, few in presets.items()}} if presets else {}),
            **({"words": " ".join(words)} if (words := known_words(run / "data")) else {}),
            "training": {**training_record(run), "parity": parity, **compare_images(temporary, guidance_scale)},
            **data_record(run),
            "nullEmbeddingSha256": hashlib.sha256(null_states(temporary).tobytes()).hexdigest(),
            "evaluation": read_if_there(run / "evaluation.json"),
        }
        write_json(temporary / MANIFEST, manifest)
        publish(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def load_components(run: Path) -> list[Component]:
    """The networks of a run, float32 on the CPU."""
    text = load_text_encoder(run / "text_encoder")
    unet = load_unet(run / "unet")
    vae = AUTOENCODERS[read_json(run / "vae" / "config.json")["_class_name"]](run / "vae")
    states = count_states(text)
    latents = (unet.config.in_channels, unet.config.sample_size)
    return [
        Component("text_encoder", "text_encoder", text, text_encoder_graph, Tolerance(1e-3, 0.9999)),
        Component("unet", "unet", unet, lambda module: unet_graph(module, states), Tolerance(2e-3, 0.9999)),
        Component(
            "vae", "vae_decoder", vae, lambda module: vae_decoder_graph(module, *latents), Tolerance(1e-3, 0.9999)
        ),
    ]


def export_component(part: Component, run: Path, target: Path) -> dict:
    """Writes both graphs and the configuration; returns what the gate measured, by path."""
    folder = target / part.target
    folder.mkdir(parents=True)
    for name in ("config.json", "sketch.json"):
        if (run / part.source / name).exists():
            shutil.copy(run / part.source / name, folder)
    original = part.graph(part.module.eval())
    rounded = part.graph(copy.deepcopy(part.module).half().float().eval())
    float32 = half_weights(export_graph(rounded, folder / FLOAT32))
    write_with_shared_weights({FLOAT32: float32, FLOAT16: half_compute(float32)}, folder)
    tolerances = {FLOAT32: part.tolerance, FLOAT16: Tolerance(None, FLOAT16_COSINE)}
    granularity = 2 ** (len(read_json(run / "unet" / "config.json")["block_out_channels"]) - 1)
    result = {}
    for file, tolerance in tolerances.items():
        name = f"{part.target}/{file}"
        result[name] = judge(name, measure(folder / file, rounded, original.module, granularity), tolerance)
        print(f"{name}: {json.dumps(result[name])}", file=sys.stderr)
    return result


def compare_images(folder: Path, guidance_scale: float, steps: int = 10) -> dict:
    """Peak signal-to-noise ratio, in dB, of an image by the fp16 graphs to the same image by the float32 graphs.

    Raises ParityError below 35 dB.
    """
    ids, empty = token_ids(folder, "a red apple on a blue background"), token_ids(folder, "")
    size = read_json(folder / "unet" / "config.json")["sample_size"]
    negative = empty if guidance_scale > 1 else None
    float32, float16 = (
        generate(folder, ids, negative, 0, steps, guidance_scale, size, graph)[None] for graph in (FLOAT32, FLOAT16)
    )
    ratio = float(psnr(float32, float16)[0])
    print(f"image by fp16 against float32: {ratio:.1f} dB", file=sys.stderr)
    if ratio < FLOAT16_PSNR:
        raise ParityError(f"an image by the fp16 graphs is {ratio:.1f} dB from float32, allowed {FLOAT16_PSNR}")
    return {"float16ImagePsnr": round(ratio, 2)}


def null_states(folder: Path) -> np.ndarray:
    """Text states of the empty prompt by the float32 graph on this CPU, float32 [1, context, width]."""
    return encode(OnnxGraph(folder / "text_encoder" / FLOAT32), token_ids(folder, ""))


def token_ids(folder: Path, prompt: str) -> list[int]:
    context = read_json(folder / "text_encoder" / "config.json")["max_position_embeddings"]
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    return tokenizer(prompt, padding="max_length", truncation=True, max_length=context).input_ids


def model_index(run: Path) -> dict:
    """What diffusers' ONNX pipelines read first."""
    scheduler = read_json(run / "scheduler" / "scheduler_config.json")["_class_name"]
    graphs = {part: ["diffusers", "OnnxRuntimeModel"] for part in ("text_encoder", "unet", "vae_decoder")}
    return {
        "_class_name": "OnnxStableDiffusionPipeline",
        "scheduler": ["diffusers", scheduler],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        **graphs,
    }


def training_record(run: Path) -> dict:
    """The options of every stage, as the run folder keeps them."""
    records = {
        "denoiser": run / "options.json",
        "textEncoder": run / "text_encoder" / "training.json",
        "autoencoder": run / "vae" / "training.json",
    }
    return {stage: read_json(path) for stage, path in records.items() if path.exists()}


def data_record(run: Path) -> dict:
    """Fingerprint and licences of the training data."""
    data = read_json(run / "data" / "data.json")
    licences = [f"{name} {source['version']}: {source['licence']}" for name, source in data["sources"].items()]
    return {"dataFingerprint": data["fingerprint"], "licence": "; ".join(licences)}


def known_words(data: Path) -> list[str]:
    """Words that the captions of a data folder use, and those that carry no meaning of their own; nothing where the
    captions are not at hand."""
    if not (data / "samples.jsonl").exists():
        return []
    used = {word for sample in read_samples(data) for word in re.findall(r"[^\W\d_]+", sample["caption"].lower())}
    return sorted(used | FUNCTION_WORDS)


def read_if_there(path: Path) -> dict | None:
    return read_json(path) if path.exists() else None


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 in hex by path in `folder`, in the order of the paths."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path: sha256_file(folder / path) for path in paths}


def publish(folder: Path, out: Path) -> None:
    """Renames `folder`, synced, to `out`; what lay there is removed once the new one stands in its place."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance-scale", type=float, default=5.0)
    parser.add_argument("--sampler", default="ddim")
    add_preset_flag(parser)
    try:
        export(**vars(parser.parse_args(arguments)))
    except ParityError as error:
        print(f"nothing was published: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
