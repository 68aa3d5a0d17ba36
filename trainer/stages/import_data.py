"""Imports a folder or WebDataset tar of images and captions into a project: `--source PATH`.

Reads `data.raw` of the parameters, the folder that receives `images/`, `captions/` and `import-report.json`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.data.import_images import ImportOptions, import_images
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="folder or tar; nothing of it is changed")
    parser.add_argument("--min-side", type=int, default=64, help="smallest width and height, pixels")
    parser.add_argument("--class-captions", action="store_true", help="captions of the classes of Oxford-102")
    parser.add_argument("--strict", action="store_true", help="import nothing where anything would be skipped")


def stage(project: Path, params: Params, **flags: Any) -> dict[str, object]:
    return import_images(ImportOptions(**flags), DataFolder(project / params.data.raw))


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_flags))
