"""The model directory of a project: its promoted model, exported behind the gates, with the record of its run."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..evaluation.prompts import GALLERY
from ..files import read_json, write_json
from ..networks.model_folder import check_model_folder, load_promoted, model_hashes
from ..sections import described
from ..stage import StageError, StageProgress, warn
from .components import Component, components_of
from .directory import MANIFEST, hash_files, replacing, write_parts
from .images import compare_images, null_states_hash
from .int8 import add_int8
from .parity import ParityError


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What is exported, and how."""

    name: str = dataclasses.field(
        metadata=described("of the model in receipts: letters, digits, dots, dashes, underscores")
    )
    image_size: tuple[int, int] = dataclasses.field(
        metadata=described("height and width, pixels, of a model that does not say its own")
    )
    opset: int = dataclasses.field(default=17, metadata=described("of ONNX, 17 to 23"))
    steps: int = dataclasses.field(default=30, metadata=described("of requests that leave it out, 1 to 1000"))
    guidance_scale: float = dataclasses.field(
        default=7.5, metadata=described("of requests that leave it out, 0 to 100")
    )
    int8: bool = dataclasses.field(
        default=False, metadata=described("quantized graphs beside the others, if they pass")
    )
    licence: str = dataclasses.field(default="not stated", metadata=described("of the model, as its author states"))


def export_project(options: ExportOptions, source: Path, out: Path, metadata: Path, evaluation: Path) -> dict[str, Any]:
    """Exports the model in `source`, diffusers' layout, to the model directory `out`, and tells what was measured.

    `metadata`: the record of its run; `evaluation`: the report, used where it is of this model. Raises StageError for
    a folder that cannot be exported, and for a graph that differs from PyTorch: then `out` is as it was.
    """
    check_model_folder(source)
    hashes = model_hashes(source)
    record = read_json(metadata) if metadata.exists() else {}
    parts = components_of(*load_promoted(source, options.image_size), with_encoder=True)
    try:
        with replacing(out) as folder:
            parity = write_parts(_told(parts), source, folder, options.opset)
            _write_config(parts, folder)
            for seen in parity.values():
                if "leftOut" in seen:
                    warn(f"{seen['leftOut']}; it is left out: GPUs on which fp16 overflows compute in float32")
            measured = {
                "parity": parity,
                "float16ImagePsnr": compare_images(folder, options.guidance_scale, prompt=GALLERY[0]),
            }
            if options.int8:
                measured |= add_int8(parts, folder, options.guidance_scale, options.opset)
            manifest = {
                "formatVersion": 1,
                "name": options.name,
                "files": hash_files(folder),
                "defaults": {"steps": options.steps, "guidanceScale": options.guidance_scale, "sampler": "ddim"},
                "training": {**record, "source": hashes, **measured},
                # Of the set that validated it, all that the record has of its data.
                "dataFingerprint": record.get("validation", {}).get("validation_set", "not recorded"),
                "licence": options.licence,
                "nullEmbeddingSha256": null_states_hash(folder),
                "evaluation": report_of(hashes, evaluation),
            }
            write_json(folder / MANIFEST, manifest)
    except ParityError as error:
        hint = f"{out} is as it was. Try another export.opset, and report the model's configuration if that fails too."
        raise StageError("MODEL_INVALID", f"nothing was exported: {error}", hint) from error
    return {"folder": str(out), "files": len(manifest["files"]) + 1, **measured}


def _told(parts: list[Component]) -> Iterator[Component]:
    progress = StageProgress("networks", len(parts), "networks")
    for index, part in enumerate(parts):
        progress.update(index)
        yield part
    progress.update(len(parts))


def _write_config(parts: list[Component], folder: Path) -> None:
    """The denoiser's size, where its own configuration had none."""
    config = read_json(folder / "unet" / "config.json")
    unet: Any
    [unet] = [part.module for part in parts if part.source == "unet"]
    if config.get("sample_size") is None:
        write_json(folder / "unet" / "config.json", {**config, "sample_size": unet.config.sample_size})


def report_of(hashes: dict[str, str], report: Path) -> dict[str, Any] | None:
    """The report of an evaluation where it is of the model with these files; of another one it is told."""
    if not report.exists():
        return None
    evaluation = read_json(report)
    if evaluation.get("model") == hashes:
        return evaluation
    warn(f"{report} is of another model, so it is left out of {MANIFEST}: run t2i evaluate, then t2i export again")
    return None
