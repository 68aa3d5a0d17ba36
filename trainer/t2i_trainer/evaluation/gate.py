"""Whether a model measures worse than the one promoted before it, by the reports of both."""

import dataclasses
import math
from typing import Any

from ..sections import described
from ..stage import StageError
from .tables import NAMES

# Binary fractions only come near to decimals: 0.7 is not more than 0.1 below 0.8.
ROUNDING = 1e-9
NO_REPORT = "no version before it has a report here"
Report = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """By how much each number may be lower than before; None: it is not compared."""

    max_clip_score_drop: float | None = dataclasses.field(
        default=1.0, metadata=described("of the CLIP score, 0 to 100")
    )
    max_judge_drop: float | None = dataclasses.field(default=0.1, metadata=described("of the share of images, 0 to 1"))

    def limits(self) -> dict[str, float]:
        """By the names of the numbers in a report."""
        limits = {"clip_score": self.max_clip_score_drop, "judge": self.max_judge_drop}
        return {name: limit for name, limit in limits.items() if limit is not None}


def judge_report(
    report: Report, options: GateOptions, before: Report | None, kept: Report | None = None, accept: str | None = None
) -> dict[str, Any]:
    """What a report says under `gate`.

    `before` is the report of the model promoted before, `kept` an earlier one of the very model, `accept` why a fall is
    accepted. A reason that `kept` has stays where it is of the same settings and was compared with the same model.

    verdict: `passed`, `failed`, `accepted` (a fall that there is a reason for) or `not compared`. with: version, run
    and model of `before`. compared: before, now and limit of each number. fell: those that fell by more than their
    limit. differences: why reports or numbers were not compared, in words.
    """
    base = before and _identity(before)
    compared, differences = _compare(before, report, options.limits()) if before else ({}, [NO_REPORT])
    # So that NaN, which is neither less nor more, has fallen.
    fell = [name for name, pair in compared.items() if not pair["now"] >= pair["before"] - pair["limit"] - ROUNDING]
    earlier = (kept or {}).get("gate") or {}
    if kept and earlier.get("with") == base and kept["config_sha256"] == report["config_sha256"]:
        accept = accept or earlier["accepted"]
    verdict = ("accepted" if accept else "failed") if fell else "passed" if compared else "not compared"
    return {
        "verdict": verdict, "with": base, "compared": compared, "fell": fell, "differences": differences,
        "accepted": accept if fell else None,
    }  # fmt: skip


def in_words(gate: dict[str, Any]) -> str:
    """A sentence for people: what the report was compared with, and what came of it."""
    if gate["verdict"] == "not compared":
        return f"Not compared with the version before: {'; '.join(gate['differences']) or 'no number has a limit'}."
    numbers = [
        f"{NAMES[name]} {pair['before']:.4g} before, {pair['now']:.4g} now (at most {pair['limit']:g} lower is allowed)"
        for name, pair in gate["compared"].items()
    ]
    outcome = f"accepted: {gate['accepted']}" if gate["accepted"] else gate["verdict"]
    return f"Compared with {_named(gate['with'])}: {'; '.join([*numbers, *gate['differences']])}. Gate: {outcome}."


def refuse_worse(gate: dict[str, Any]) -> None:
    """Raises StageError EVALUATION_WORSE where the gate failed."""
    if gate["verdict"] != "failed":
        return
    pairs = [(NAMES[name], gate["compared"][name]) for name in gate["fell"]]
    falls = [
        f"{name} fell from {pair['before']:.4g} to {pair['now']:.4g}, by more than {pair['limit']:g}"
        for name, pair in pairs
    ]
    raise StageError(
        "EVALUATION_WORSE",
        f"The promoted model measures worse than {_named(gate['with'])}: {'; '.join(falls)}",
        "Look at reports/evaluation.html, then go back (t2i rollback) or accept it: t2i evaluate --accept REASON",
    )


def _compare(before: Report, report: Report, limits: dict[str, float]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """The numbers that may be compared, and why others may not."""
    differences = _differences(_settings(before), _settings(report))
    if differences:
        return {}, differences
    compared = {}
    for name, limit in limits.items():
        old, new = before["measured"].get(name, {}), report["measured"].get(name, {})
        if not (_is_measured(old) and math.isfinite(old["value"]) and _is_measured(new)):
            found = [f"{NAMES[name]}: not measured of both"]
        else:
            found = [f"{NAMES[name]}: {each}" for each in _differences(_facts(old), _facts(new))]
        differences += found
        if not found:
            compared[name] = {"before": old["value"], "now": new["value"], "limit": limit}
    return compared, differences


def _identity(report: Report) -> dict[str, Any]:
    run = report["run"]
    return {"version": run.get("version"), "run": run["run_name"], "model_sha256": report["model_sha256"]}


def _settings(report: Report) -> dict[str, object]:
    """What every number of a report depends on, beside the model."""
    sampler = {f"sampler {name}": value for name, value in report["sampler"].items()}
    return {**sampler, "image size": report["image_size"], "validation set": report["validation_set"]}


def _facts(measured: dict[str, Any]) -> dict[str, object]:
    """What a number is of."""
    return {"prompts": measured["prompts"], "seeds": len(measured["seeds"]), "CLIP model": measured["by"]["sha256"]}


def _differences(before: dict[str, object], now: dict[str, object]) -> list[str]:
    return [
        "other prompts" if name == "prompts" else f"{name} {now.get(name)}, not {before.get(name)}"
        for name in before | now
        if before.get(name) != now.get(name)
    ]


def _is_measured(measured: dict[str, Any]) -> bool:
    return isinstance(measured.get("value"), int | float)


def _named(base: dict[str, Any]) -> str:
    return f"version {base['version']}, {base['run']}" if base["version"] else base["run"]
