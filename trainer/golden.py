"""Writes the golden vectors that the TypeScript samplers are tested against: what diffusers and PyTorch do, as JSON.

python trainer/golden.py            # writes test/fixtures/golden/
"""

import argparse
import base64
import json
from itertools import product
from pathlib import Path

import numpy as np
import torch

from t2i_trainer.golden import cases, reference

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "test" / "fixtures" / "golden"

NOISE_SEEDS = (0, 1, 7, 2**32 - 1, 2**32, 2**53 - 1)
NOISE_CALLS = ((1,), (2,), (3,), (15,), (16,), (17,), (31,), (32,), (33,), (3, 3, 16, 5, 1, 20, 2), (1, 700, 1))
LARGE_NOISE = ((7, (4096,)), (2**53 - 1, (1024, 1024)))


def trajectories() -> list[dict]:
    """Every case of `cases` with what diffusers did."""
    return [case | {"reference": reference.run_case(case)} for case in cases.trajectory_cases()]


def schedules() -> list[dict]:
    """Cumulative alphas of the training schedule as little-endian float32 in base64."""
    records = []
    for config in cases.schedule_configs():
        alphas = reference.make_scheduler("ddim", config, None).alphas_cumprod
        encoded = base64.b64encode(alphas.numpy().astype("<f4").tobytes()).decode()
        records.append({"config": config, "alphasCumprod": encoded})
    return records


def decode(encoded: str) -> list[float]:
    """The numbers of a base64 text of little-endian float32."""
    return np.frombuffer(base64.b64decode(encoded), "<f4").tolist()


def timestep_checksums() -> list[dict]:
    """For each sampler and spacing one checksum for each number of steps, from 1."""
    records = []
    for case in cases.timestep_cases():
        scheduler = reference.make_scheduler(case["sampler"], case["config"], case.get("sigmas"))
        sums = []
        for steps in range(1, case["steps"] + 1):
            scheduler.set_timesteps(steps)
            # For some numbers of steps trailing spacing appends a timestep -1.
            sums.append(reference.checksum(scheduler.timesteps.tolist()[:steps]))
        records.append(case | {"checksums": sums})
    return records


def noise() -> list[dict]:
    """What `torch.randn` returns for several seeds and runs of calls on one generator."""
    records = []
    for seed, calls in [*product(NOISE_SEEDS, NOISE_CALLS), *LARGE_NOISE]:
        generator = torch.Generator("cpu").manual_seed(seed)
        drawn = [reference.floats(torch.randn(n, generator=generator)) for n in calls]
        records.append({"seed": seed, "calls": list(calls), "drawn": drawn})
    return records


PARTS = {"trajectories": trajectories, "schedules": schedules, "timesteps": timestep_checksums, "noise": noise}


def write(name: str) -> Path:
    """Writes one file, a record a line, so that a change shows up as the lines that changed."""
    path = GOLDEN / f"{name}.json"
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in PARTS[name]())
    path.write_text(f"[\n{lines}\n]\n")
    return path


def main() -> None:
    """Writes the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="files to write; all without")
    torch.set_num_threads(1)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().parts or PARTS:
        path = write(name)
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
