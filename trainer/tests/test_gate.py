"""The gate on the evaluation: what is compared, what fell, and what is said of it."""

import copy
import math
from typing import Any

import pytest

from t2i_trainer.evaluation.gate import GateOptions, in_words, judge_report, refuse_worse
from t2i_trainer.stage import StageError

BY = {"model": "clip", "sha256": "ab" * 32}


def report(clip_score: object = 25.0, judge: object = 0.8, version: int = 1, **changes: Any) -> dict[str, Any]:
    """A report; `changes` are values of it, or of its numbers by `clip_score__name`."""
    made: dict[str, Any] = {
        "run": {"run_name": f"run_{version}", "version": version},
        "model_sha256": f"{version}" * 64,
        "config_sha256": "cf" * 32,
        "validation_set": "ef" * 32,
        "sampler": {"name": "ddim", "steps": 50, "guidance_scale": 7.5},
        "image_size": [64, 64],
        "measured": {
            "clip_score": {"value": clip_score, "prompts": ["a horse"], "seeds": [0, 1], "by": BY},
            "judge": {"value": judge, "prompts": ["a rose", "a daisy"], "seeds": [0, 1], "by": BY},
        },
    }
    for name, value in changes.items():
        number, _, key = name.partition("__")
        place = made["measured"][number] if key else made
        place[key or name] = value
    return made


def gate_of(now: dict[str, Any], before: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    options = GateOptions(**{name: more.pop(name) for name in list(more) if name.startswith("max_")})
    return judge_report(now, options, before, **more)


@pytest.mark.parametrize(
    ("clip_score", "judge", "fell"),
    [
        (25.0, 0.8, []),
        (24.0, 0.7, []),  # by just as much as is allowed, which binary fractions miss
        (30.0, 1.0, []),
        (23.9, 0.8, ["clip_score"]),
        (25.0, 0.69, ["judge"]),
        (0.0, 0.0, ["clip_score", "judge"]),
        (math.nan, 0.8, ["clip_score"]),
    ],
)
def test_a_number_may_be_lower_by_as_much_as_is_allowed(clip_score, judge, fell):
    gate = gate_of(report(clip_score, judge, 2), report())
    assert gate["fell"] == fell
    assert gate["verdict"] == ("failed" if fell else "passed")
    assert gate["compared"]["judge"] == {"before": 0.8, "now": judge, "limit": 0.1}
    assert gate["with"] == {"version": 1, "run": "run_1", "model_sha256": "1" * 64}


def test_a_fall_is_told_from_what_to_what_and_what_to_do():
    gate = gate_of(report(20.0, 0.5, 2), report())
    with pytest.raises(StageError) as caught:
        refuse_worse(gate)
    assert caught.value.code == "EVALUATION_WORSE"
    assert "worse than version 1, run_1: CLIP score fell from 25 to 20, by more than 1;" in caught.value.message
    assert "their own prompt fell from 0.8 to 0.5, by more than 0.1" in caught.value.message
    assert "t2i rollback" in caught.value.hint and "--accept REASON" in caught.value.hint
    assert "CLIP score 25 before, 20 now (at most 1 lower is allowed)" in in_words(gate)
    assert in_words(gate).endswith("Gate: failed.")


def test_null_switches_a_number_off():
    worse = report(0.0, 0.8, 2)
    assert gate_of(worse, report(), max_clip_score_drop=None)["verdict"] == "passed"
    gate = gate_of(worse, report(), max_clip_score_drop=None, max_judge_drop=None)
    assert gate["verdict"] == "not compared" and "no number has a limit" in in_words(gate)
    assert gate_of(report(25.0, 0.5, 2), report(), max_judge_drop=0.4)["verdict"] == "passed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validation_set": "00" * 32}, f"validation set {'00' * 32}, not {'ef' * 32}"),
        ({"sampler": {"name": "ddim", "steps": 30, "guidance_scale": 7.5}}, "sampler steps 30, not 50"),
        ({"sampler": {"name": "ddim", "steps": 50, "guidance_scale": 5}}, "sampler guidance_scale 5, not 7.5"),
        ({"image_size": [64, 32]}, "image size [64, 32], not [64, 64]"),
    ],
)
def test_reports_of_other_settings_are_not_compared(changes, said):
    gate = gate_of(report(0.0, 0.0, 2, **changes), report())
    assert gate["verdict"] == "not compared" and gate["differences"] == [said]
    assert said in in_words(gate)
    refuse_worse(gate)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clip_score__prompts": ["a cow"]}, "CLIP score: other prompts"),
        ({"clip_score__seeds": [0, 1, 2]}, "CLIP score: seeds 3, not 2"),
        (
            {"clip_score__by": {"model": "clip", "sha256": "cd" * 32}},
            f"CLIP score: CLIP model {'cd' * 32}, not {'ab' * 32}",
        ),
        ({"clip_score": "not measured"}, "CLIP score: not measured of both"),
    ],
)
def test_a_number_of_something_else_is_not_compared_and_the_other_is(changes, said):
    for judge, verdict in ((0.8, "passed"), (0.1, "failed")):
        gate = gate_of(report(judge=judge, version=2, **changes), report())
        assert gate["verdict"] == verdict and gate["differences"] == [said] and list(gate["compared"]) == ["judge"]
        assert said in in_words(gate)


def test_what_a_report_before_lacks_is_not_compared():
    before = report()
    del before["measured"]["judge"]
    before["measured"]["clip_score"]["value"] = math.nan
    gate = gate_of(report(0.0, 0.0, 2), before)
    assert gate["verdict"] == "not compared" and len(gate["differences"]) == 2
    gate = gate_of(report(0.0, 0.0, 2), None)
    assert gate["verdict"] == "not compared" and gate["with"] is None and "no version before it" in in_words(gate)


def test_a_reason_lets_a_fall_pass_and_stays_as_long_as_nothing_else_is_compared():
    now, before = report(20.0, 0.8, 2), report()
    accepted = gate_of(now, before, accept="a new style")
    assert accepted["verdict"] == "accepted" and accepted["accepted"] == "a new style"
    assert in_words(accepted).endswith("Gate: accepted: a new style.")
    refuse_worse(accepted)
    kept = {**copy.deepcopy(now), "gate": accepted}
    assert gate_of(now, before, kept=kept)["accepted"] == "a new style"
    assert gate_of(now, before, kept=kept, accept="better")["accepted"] == "better"
    assert gate_of(now, report(version=3), kept=kept)["verdict"] == "failed"
    assert gate_of({**now, "config_sha256": "00" * 32}, before, kept=kept)["verdict"] == "failed"
    assert gate_of(now, before, kept={**now, "gate": None})["verdict"] == "failed"
    assert gate_of(report(version=2), before, accept="needless")["accepted"] is None
