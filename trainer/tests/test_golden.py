"""The committed golden vectors are what diffusers and PyTorch give: edits by hand and changes of theirs show here."""

import json

import pytest

import golden
from t2i_trainer.golden import cases, reference

# Long runs are compared by a few, the rest by all.
LONG = 50


def committed(name: str) -> list[dict]:
    """Records of one committed file."""
    return json.loads((golden.GOLDEN / f"{name}.json").read_text())


def assert_close(actual, expected, tolerance: float) -> None:
    """Compares nested records: numbers within a tolerance relative to 1 or their size, everything else exactly."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(actual[key], value, tolerance)
    elif isinstance(expected, list):
        assert len(actual) == len(expected)
        for mine, value in zip(actual, expected, strict=True):
            assert_close(mine, value, tolerance)
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=tolerance, abs=tolerance)
    else:
        assert actual == expected


def test_trajectories_hold_exactly_the_cases() -> None:
    recorded = [
        {key: value for key, value in record.items() if key != "reference"} for record in committed("trajectories")
    ]
    assert recorded == cases.trajectory_cases()


@pytest.mark.filterwarnings("ignore")
def test_trajectories_are_those_of_diffusers() -> None:
    records = committed("trajectories")
    short = [record for record in records if record["steps"] <= LONG]
    long = [record for record in records if record["steps"] > LONG][::20]
    for record in [*short, *long]:
        # Zero terminal SNR in sigma form multiplies the last digit of a sigma by 4096.
        tolerance = 1e-3 if record["config"].get("rescale_betas_zero_snr") else 1e-5
        assert_close(reference.run_case(record), record["reference"], tolerance)


@pytest.mark.filterwarnings("ignore")
def test_timesteps_are_those_of_diffusers() -> None:
    records = committed("timesteps")
    assert [(r["sampler"], r["config"], r["steps"]) for r in records] == [
        (c["sampler"], c["config"], c["steps"]) for c in cases.timestep_cases()
    ]
    for record in records:
        scheduler = reference.make_scheduler(record["sampler"], record["config"], record.get("sigmas"))
        for steps in (1, 7, 61, record["steps"]):
            scheduler.set_timesteps(steps)
            actual = reference.checksum(scheduler.timesteps.tolist()[:steps])
            assert actual == record["checksums"][steps - 1]


def test_noise_is_that_of_pytorch() -> None:
    assert_close(golden.noise(), committed("noise"), 1e-6)


def test_schedules_are_those_of_diffusers() -> None:
    for mine, record in zip(golden.schedules(), committed("schedules"), strict=True):
        assert mine["config"] == record["config"]
        assert_close(golden.decode(mine["alphasCumprod"]), golden.decode(record["alphasCumprod"]), 1e-6)


def test_a_changed_digit_is_noticed() -> None:
    record = next(r for r in committed("trajectories") if "final" in r["reference"] and r["steps"] == 10)
    record["reference"]["final"][2] += 1e-3
    with pytest.raises(AssertionError):
        assert_close(reference.run_case(record), record["reference"], 1e-5)
