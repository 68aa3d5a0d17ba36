"""Draws with a project's promoted model and measures it: `samples/`, `reports/evaluation.json` and `.html`, and the
model card in `<log_trained_model.diffuser_dir>`.

Reads `evaluate` (steps, guidance_scale, seeds, clip_model, fid_images, max_clip_score_drop, max_judge_drop),
`vae.image_size`, `data.raw`, `export.licence` and `log_trained_model.diffuser_dir`, and the project's `prompts.txt`
where it has one. Ends with EVALUATION_WORSE, after its files are written, where a number fell by more than is allowed
and no reason was given.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.evaluation.gate import GateOptions, refuse_worse
from t2i_trainer.evaluation.project import Comparison, EvaluateOptions, evaluate_project
from t2i_trainer.files import read_json, without_nan
from t2i_trainer.params import Params
from t2i_trainer.stage import main, warn


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--before", type=Path, help="the report of the model promoted before")
    parser.add_argument("--kept", type=Path, help="an earlier report of this model")
    parser.add_argument("--accept", help="why a number may have fallen")


def stage(
    project: Path,
    params: Params,
    before: Path | None = None,
    kept: Path | None = None,
    accept: str | None = None,
) -> dict[str, Any]:
    height, width = params.vae.image_size
    limits = {field.name for field in dataclasses.fields(GateOptions)}
    gate = GateOptions(**params.evaluate.model_dump(include=limits))
    others = params.evaluate.model_dump(exclude=limits)
    saved = project / params.log_trained_model.diffuser_dir
    report = evaluate_project(
        EvaluateOptions(image_size=(height, width), **others),
        project,
        saved,
        project / params.data.raw,
        params.export.licence,
        Comparison(gate, _read(before), _read(kept), accept),
    )
    verdict = report["gate"]
    if before and verdict["differences"]:
        warn(f"not compared with the report of the version before: {'; '.join(verdict['differences'])}")
    refuse_worse(verdict)
    measured, samples = without_nan(report["measured"]), len(report["gallery"])
    return {"report": "reports/evaluation.json", "measured": measured, "samples": samples, "gate": verdict["verdict"]}


def _read(report: Path | None) -> dict[str, Any] | None:
    return None if report is None else read_json(report)


if __name__ == "__main__":
    sys.exit(main(__doc__, stage, add_flags=add_flags))
