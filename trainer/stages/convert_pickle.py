"""Converts a pickle that its owner trusts to safetensors: `t2i model convert-pickle`.

Reads `model` (source, target, i_trust_this_file), paths relative to the project.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.convert_pickle import ConvertOptions, convert_pickle
from t2i_trainer.stage import main


def stage(project: Path, params: dict[str, Any]) -> dict[str, Any]:
    return convert_pickle(ConvertOptions(**params["model"]), project)


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
