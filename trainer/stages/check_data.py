"""Tells everything that is wrong with the data of a project: `errors`, which training refuses, and `warnings`.

Reads `data` (raw, train_size, val_size, precompute_latents, flip), `clip` (model, max_length) and `vae` (model,
image_size) of the parameters. Changes nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.data.check import check_data
from t2i_trainer.data.embeddings import EmbedOptions
from t2i_trainer.data.latents import LatentOptions
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.samples import SampleOptions
from t2i_trainer.stage import main


def stage(project: Path, params: dict) -> dict[str, object]:
    data, clip, vae = params["data"], params["clip"], params["vae"]
    height, width = vae["image_size"]
    options = SampleOptions(
        text=EmbedOptions(model=clip["model"], max_length=clip["max_length"]),
        latents=LatentOptions(model=vae["model"], image_size=(height, width), flip=data["flip"]),
        train_size=data["train_size"],
        val_size=data["val_size"],
        precompute_latents=data["precompute_latents"],
    )
    return check_data(options, project, DataFolder(project / data["raw"]))


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
