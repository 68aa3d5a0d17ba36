"""Trains the denoiser of a project on its prepared latents and text states; the same command resumes.

    torchrun --standalone --nproc_per_node 2 trainer/stages/train.py --project DIR --params FILE.json

Reads the sections `unet`, `DDPMScheduler`, `training`, `data`, `clip`, `vae` and `mlflow`. Writes
`runs/<mlflow.run_name>/`, at its end `run.json`. Of several ranks rank 0 alone speaks: what the others say goes to
standard error.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.params import Params
from t2i_trainer.stage import main
from t2i_trainer.tracking.open_tracking import open_tracking
from t2i_trainer.training.check import read_options
from t2i_trainer.training.loop import train_diffuser
from t2i_trainer.training.pipeline_folder import finish_run
from t2i_trainer.training.project_samples import open_project
from t2i_trainer.training.run_lock import alone_in
from t2i_trainer.training.strategies import is_speaker, launched_ranks


def train(project: Path, params: Params) -> dict[str, Any]:
    options = read_options(project, params, launched_ranks())
    samples, validation = open_project(project, params)
    run = project / "runs" / params.mlflow.run_name
    with alone_in(run) if is_speaker() else nullcontext(), open_tracking(project, run, params) as tracker:
        result = train_diffuser(options, samples, validation, run, tracker)
        if result["status"] != "stopped" and is_speaker():
            finish_run(run, project, params.clip.model, params.vae.model)
            if tracker:
                tracker.finish()
    return result | {"run": run.relative_to(project).as_posix()}


if __name__ == "__main__":
    if not is_speaker():
        sys.stdout = sys.stderr
    sys.exit(main(__doc__, train))
