"""Draws with a project's promoted model and measures it: `samples/`, `reports/evaluation.json` and `.html`, and the
model card in `<log_trained_model.diffuser_dir>`.

Reads `evaluate` (steps, guidance_scale, seeds, clip_model, fid_images), `vae.image_size`, `data.raw`, `export.licence`
and `log_trained_model.diffuser_dir`, and the project's `prompts.txt` where it has one.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.evaluation.project import EvaluateOptions, evaluate_project
from t2i_trainer.stage import main


def stage(project: Path, params: dict[str, Any]) -> dict[str, Any]:
    height, width = params["vae"]["image_size"]
    options = EvaluateOptions(image_size=(height, width), **params["evaluate"])
    saved = project / params["log_trained_model"]["diffuser_dir"]
    report = evaluate_project(options, project, saved, project / params["data"]["raw"], params["export"]["licence"])
    return {"report": "reports/evaluation.json", "measured": report["measured"], "samples": len(report["gallery"])}


if __name__ == "__main__":
    sys.exit(main(__doc__, stage))
