"""Tells everything that is wrong with the data of a project: `errors`, which training refuses, and `warnings`.

Reads `data` (raw, train_size, val_size, precompute_latents, flip), `clip` (model, max_length) and `vae` (model,
image_size) of the parameters. Changes nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.data.check import check_data
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.samples import SampleOptions
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def stage(project: Path, params: Params) -> dict[str, object]:
    return check_data(SampleOptions.of(params), project, DataFolder(project / params.data.raw))


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
