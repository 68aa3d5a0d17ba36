"""Exports a project's promoted model to `<log_trained_model.diffuser_dir>/onnx_models`, which the SDK runs.

Reads `export` (name, opset, steps, guidance_scale, int8, licence), `vae.image_size` and
`log_trained_model.diffuser_dir`.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.onnx.project import ExportOptions, export_project
from t2i_trainer.params import Params
from t2i_trainer.stage import main


def stage(project: Path, params: Params) -> dict[str, Any]:
    height, width = params.vae.image_size
    saved = project / params.log_trained_model.diffuser_dir
    options = ExportOptions(image_size=(height, width), **params.export.model_dump())
    report = project / "reports" / "evaluation.json"
    return export_project(options, saved / "diffuser", saved / "onnx_models", saved / "model_metadata.json", report)


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
