"""A run of the default model as a model directory."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from ..command_line import pairs, required
from ..files import read_json, read_samples, write_json
from ..onnx.components import load_components
from ..onnx.directory import MANIFEST, hash_files, replacing, write_parts
from ..onnx.images import compare_images, null_states_hash
from ..presets import preset_steps
from ..sections import option
from .english import FUNCTION_WORDS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is exported."""

    run: Path = required("run in diffusers' layout: text_encoder/ unet/ vae/ scheduler/ tokenizer/")
    out: Path = required("model directory, replaced as a whole")
    name: str = required("name of the model in receipts")
    steps: int = option(30, "steps of requests that leave them out", least=1)
    guidance_scale: float = option(5.0, "guidance of requests that leave it out", least=0)
    sampler: str = option("ddim", "sampler of requests that leave it out")
    preset: dict[str, int] = pairs("steps by name", preset_steps, "NAME=STEPS")


def export(options: ExportOptions) -> dict[str, Any]:
    """Returns the manifest. Raises ParityError where a graph differs from PyTorch; then nothing is published."""
    with replacing(options.out) as folder:
        parity = write_parts(load_components(options.run), options.run, folder)
        psnr = compare_images(folder, options.guidance_scale)
        manifest = {
            "formatVersion": 1,
            "name": options.name,
            "files": hash_files(folder),
            "defaults": {"steps": options.steps, "guidanceScale": options.guidance_scale, "sampler": options.sampler},
            **(
                {"presets": {preset: {"steps": few} for preset, few in options.preset.items()}}
                if options.preset
                else {}
            ),
            **({"words": " ".join(words)} if (words := known_words(options.run / "data")) else {}),
            "training": {**training_record(options.run), "parity": parity, "float16ImagePsnr": psnr},
            **data_record(options.run),
            "nullEmbeddingSha256": null_states_hash(folder),
            "evaluation": read_if_there(options.run / "evaluation.json"),
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
