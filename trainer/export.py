"""Exports a training run to a model directory that the SDK runs: ONNX opset 17, weights stored once in fp16.

    python trainer/export.py --run runs/emoji-128 --out models/emoji-128 --name emoji-128

Each network becomes `model.onnx` (float32 arithmetic, for CPUs) and `model.fp16.onnx` (fp16 arithmetic, for GPUs) over
one `model.weights`. Every graph must agree with PyTorch before anything is published; where one does not, the command
ends with exit code 1 and the target is as it was.
"""

import argparse
import re
import sys
from pathlib import Path

from t2i_trainer.emoji.english import FUNCTION_WORDS
from t2i_trainer.files import read_json, read_samples, write_json
from t2i_trainer.onnx.components import load_components
from t2i_trainer.onnx.directory import MANIFEST, hash_files, replacing, write_parts
from t2i_trainer.onnx.images import compare_images, null_states_hash
from t2i_trainer.onnx.parity import ParityError
from t2i_trainer.presets import add_preset_flag


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
    with replacing(out) as folder:
        parity = write_parts(load_components(run), run, folder)
        psnr = compare_images(folder, guidance_scale)
        manifest = {
            "formatVersion": 1,
            "name": name,
            "files": hash_files(folder),
            "defaults": {"steps": steps, "guidanceScale": guidance_scale, "sampler": sampler},
            **({"presets": {preset: {"steps": few} for preset, few in presets.items()}} if presets else {}),
            **({"words": " ".join(words)} if (words := known_words(run / "data")) else {}),
            "training": {**training_record(run), "parity": parity, "float16ImagePsnr": psnr},
            **data_record(run),
            "nullEmbeddingSha256": null_states_hash(folder),
            "evaluation": read_if_there(run / "evaluation.json"),
        }
        write_json(folder / MANIFEST, manifest)
    return manifest


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
