"""The best model of a run as a whole diffusers folder, and the record that says the run is finished."""

import shutil
from pathlib import Path
from typing import Any

from ..data.pretrained import TOKENIZER_FILES, WEIGHTS, find_pretrained
from ..files import read_json, sha256_file, write_json
from ..stage import StageError

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}


def finish_run(run: Path, project: Path, text_encoder: str, autoencoder: str) -> dict[str, Any]:
    """Puts the frozen networks beside the best denoiser of `run`, as diffusers' StableDiffusionPipeline loads them, and
    writes `run.json` last: the loss, what it was measured on, and the hash of every file. Returns that record.

    Raises StageError where no validation loss was a number, so that there is no best denoiser.
    """
    best = run / "best"
    if not (best / "best.json").is_file():
        raise StageError(
            "TRAINING_DIVERGED",
            f"no validation loss of {run.name} was a number",
            "Lower training.unet_learning_rate, or train in another precision, as another mlflow.run_name.",
        )
    text = find_pretrained(text_encoder, project, "clip.model", "text_encoder")
    vae = find_pretrained(autoencoder, project, "vae.model", "vae")
    _copy(text.folder, best / "text_encoder", ("config.json", *WEIGHTS))
    _copy(text.tokenizer, best / "tokenizer", TOKENIZER_FILES)
    _copy(vae.folder, best / "vae", ("config.json", *WEIGHTS))
    write_json(best / "model_index.json", INDEX)
    files = sorted(path for path in best.rglob("*") if path.is_file() and path.name != "best.json")
    measured = read_json(best / "best.json")
    record = {
        "run_name": run.name,
        **{name: measured[name] for name in ("best_val_diffuser_loss", "best_step", "config_hash", "validation")},
        "files": {
            path.relative_to(best).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for path in files
        },
    }
    write_json(run / "run.json", record)
    return record


def _copy(source: Path, target: Path, patterns: tuple[str, ...]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in (path for pattern in patterns for path in source.glob(pattern)):
        shutil.copyfile(path, target / path.name)
