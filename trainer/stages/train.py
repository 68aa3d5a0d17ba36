"""Trains the denoiser of a project on its prepared latents and text states; the same command resumes.

    torchrun --standalone --nproc_per_node 2 trainer/stages/train.py --project DIR --params FILE.json

Sections: `unet`, `DDPMScheduler`, `training`, and of `data` the files `train_file` and `validation_file` (safetensors
with `mean`, `text`, `null` and perhaps `std`). Writes `runs/<training.run_name>/`. Of several ranks rank 0 alone
speaks: what the others say goes to standard error.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.stage import main
from t2i_trainer.training.check import read_options
from t2i_trainer.training.loop import train_diffuser
from t2i_trainer.training.samples import TensorSamples
from t2i_trainer.training.strategies import is_speaker, launched_ranks


def train(project: Path, params: dict[str, Any]) -> dict[str, Any]:
    options = read_options(params, launched_ranks())
    samples, validation = (
        TensorSamples.load(project / params["data"][f"{name}_file"]) for name in ("train", "validation")
    )
    return train_diffuser(options, samples, validation, project / "runs" / options.training.run_name)


if __name__ == "__main__":
    if not is_speaker():
        sys.stdout = sys.stderr
    sys.exit(main(__doc__, train))
