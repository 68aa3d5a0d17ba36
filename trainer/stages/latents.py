"""Computes the latents of every image of a project, once, below `data/prepared/latents`.

Reads `data.raw`, `data.flip`, `data.num_workers`, `vae.model` and `vae.image_size` of the parameters.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.data.latents import LatentOptions, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.places import add_place_flags, place_of
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def stage(project: Path, params: Params, **place: Any) -> dict[str, object]:
    data = DataFolder(project / params.data.raw)
    return prepare_latents(LatentOptions.of(params), project, data, place_of(project, **place))


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_place_flags))
