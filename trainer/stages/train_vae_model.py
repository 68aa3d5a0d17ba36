"""Fine-tunes the autoencoder of a project on its images; the same command resumes.

Reads `vae`, `data.raw`, `data.train_size`, `data.val_size`, `data.flip`, `data.num_workers`, `mlflow.run_name` and of
`training` batch size, precision, seed, gradient clipping, accumulation and checkpointing, and the steps between
checkpoints. Writes `runs/<mlflow.run_name>-vae/`: `vae/`, to which `vae.model` may then be set, and at its end
`vae.json`.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.data.autoencoder import FrozenAutoencoder
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.params import Params
from t2i_trainer.stage import main
from t2i_trainer.training.run_lock import alone_in
from t2i_trainer.training.vae.images import open_pixels
from t2i_trainer.training.vae.options import VaeOptions, check_options
from t2i_trainer.training.vae.run import train_autoencoder


def train_vae_model(project: Path, params: Params) -> dict[str, Any]:
    data, vae = params.data, params.vae
    options = VaeOptions.of(params)
    check_options(options)
    height, width = vae.image_size
    autoencoder = FrozenAutoencoder(vae.model, (height, width), project)
    threads = max(1, data.num_workers)
    pixels = open_pixels(DataFolder(project / data.raw), (height, width), data.train_size, data.val_size, threads)
    run = project / "runs" / f"{params.mlflow.run_name}-vae"
    with alone_in(run):
        result = train_autoencoder(options, autoencoder, *pixels, run)
    return result | {"run": run.relative_to(project).as_posix()}


if __name__ == "__main__":
    sys.exit(main(__doc__, train_vae_model))
