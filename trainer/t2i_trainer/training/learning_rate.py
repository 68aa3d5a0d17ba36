"""Learning rates by step, by the formulas and names of DeepSpeed's schedulers (deepspeed/runtime/lr_schedules.py)."""

import math

# Share of the peak at which the cosine ends.
COSINE_END = 1e-4


def learning_rate_share(name: str, step: int, warmup: int, total: int) -> float:
    """Share of the peak learning rate at `step` of 0..total-1.

    All warm up as log(step + 1) / log(warmup), from 0 at step 0; then

    - WarmupLR: stays at the peak;
    - WarmupDecayLR: falls evenly, to 0 at `total`;
    - WarmupCosineLR: falls as half a cosine, to COSINE_END at the last step.
    """
    if step < warmup:
        return math.log(step + 1) / math.log(max(2, warmup))
    if name == "WarmupLR":
        return 1.0
    left = max(1, total - warmup)
    if name == "WarmupDecayLR":
        return max(0.0, (total - step) / left)
    progress = min(1.0, (step - warmup + 1) / left)
    return COSINE_END + (1 - COSINE_END) * (1 + math.cos(math.pi * progress)) / 2
