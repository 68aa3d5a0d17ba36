"""Unpacks what `t2i model pack` packed to a new folder, if every file is as it was: `t2i model unpack`."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.pack import unpack
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="zip file")
    parser.add_argument("--target", type=Path, required=True, help="new folder")


def stage(project: Path, params: Params, source: Path, target: Path) -> dict[str, Any]:
    return unpack(project / source, project / target)


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_flags))
