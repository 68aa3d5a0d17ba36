"""Writes a caption for every image of a project that has none; `--overwrite` replaces those that are there.

Reads `data.raw`, `data.caption_model`, `data.caption_task` and `data.caption_batch_size` of the parameters.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.data.captioner import CaptionOptions, write_captions
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.places import add_place_flags, place_of
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="also for images that have a caption")
    add_place_flags(parser)


def stage(project: Path, params: Params, overwrite: bool, **place: Any) -> dict[str, int]:
    data = params.data
    options = CaptionOptions(
        model=data.caption_model,
        task=data.caption_task,
        batch_size=data.caption_batch_size,
        overwrite=overwrite,
    )
    return write_captions(options, project, DataFolder(project / data.raw), place_of(project, **place))


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_flags))
