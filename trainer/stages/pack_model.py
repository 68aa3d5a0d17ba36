"""Packs a model folder into one zip file with the SHA-256 of every file: `t2i model pack`.

Reads `model` (folder, file), paths relative to the project.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.pack import pack
from t2i_trainer.stage import main


def stage(project: Path, params: dict[str, Any]) -> dict[str, Any]:
    return pack(project / params["model"]["folder"], project / params["model"]["file"])


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
