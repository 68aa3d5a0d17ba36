"""Converts a pickle that its owner trusts to safetensors: `t2i model convert-pickle`."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.convert_pickle import ConvertOptions, convert_pickle
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="pickle of a module or of its tensors by name")
    parser.add_argument("--target", type=Path, required=True, help="new safetensors file")
    parser.add_argument("--i-trust-this-file", dest="trusted", action="store_true", help="it may run code of its own")


def stage(project: Path, params: Params, source: Path, target: Path, trusted: bool) -> dict[str, Any]:
    return convert_pickle(ConvertOptions(str(source), str(target), trusted), project)


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_flags))
