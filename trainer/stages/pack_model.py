"""Packs a model folder into one zip file with the SHA-256 of every file: `t2i model pack`."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.pack import pack
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="folder of the model")
    parser.add_argument("--target", type=Path, required=True, help="zip file")


def stage(project: Path, params: Params, source: Path, target: Path) -> dict[str, Any]:
    return pack(project / source, project / target)


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_flags))
