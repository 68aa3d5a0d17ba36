"""Unpacks what `t2i model pack` packed to a new folder, if every file is as it was: `t2i model unpack`.

Reads `model` (file, folder), paths relative to the project.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.pack import unpack
from t2i_trainer.stage import main


def stage(project: Path, params: dict[str, Any]) -> dict[str, Any]:
    return unpack(project / params["model"]["file"], project / params["model"]["folder"])


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
