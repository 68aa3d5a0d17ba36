"""Executes rows by trainer/t2i_trainer/backend/step.py: a frame of cases on standard input, then one of results."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "trainer"))

import torch

from t2i_trainer.backend.frames import read_frame, write_frame
from t2i_trainer.backend.step import Latents, guide, step

results = []
for case in read_frame(sys.stdin.buffer):
    # JSON has no numbers that are whole and yet floats.
    clip = None if case["clip"] is None else float(case["clip"])
    x, x0, conditional, noise = (torch.from_numpy(case[name].copy()) for name in ("x", "x0", "conditional", "noise"))
    out = conditional
    if case["unconditional"] is not None:
        out = guide(torch.from_numpy(case["unconditional"].copy()), conditional, float(case["guidanceScale"]))
    after = step(Latents(x, x0), case["row"].tolist(), out, noise, clip)
    results.append({"x": after.x.numpy(), "x0": after.x0.numpy()})
write_frame(sys.stdout.buffer, results)
