"""What is measured of a model, and on how many images; what is not measured says why."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps

from ..data.images import decode_rgb
from ..data.layout import DataFolder, Sample
from ..stage import StageProgress, warn
from .clip import OPTION, Clip, clip_score, interval
from .distances import ENOUGH, distances
from .matching import matched_share
from .prompts import CLIP_PROMPTS
from .sampling import Run, generate
from .variety import mean_distance

NOT_MEASURED = "not measured"
# Images that go through the denoiser at once.
BATCH = 4


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A model with the settings that it draws with."""

    run: Run
    steps: int
    guidance_scale: float

    def draw(self, what: str, prompts: Sequence[str], seeds: Sequence[int]) -> np.ndarray:
        """An image of each prompt with its seed, uint8 [n, h, w, 3]."""
        progress, images = StageProgress(what, len(prompts), "images"), []
        for start in range(0, len(prompts), BATCH):
            part = slice(start, start + BATCH)
            images.append(
                generate(
                    self.run, list(prompts[part]), list(seeds[part]), self.steps, self.guidance_scale, BATCH, quiet=True
                )
            )
            progress.update(min(start + BATCH, len(prompts)))
        return np.concatenate(images)


def not_measured(reason: str) -> dict[str, str]:
    return {"value": NOT_MEASURED, "reason": reason}


def measure_variety(groups: np.ndarray) -> dict[str, Any]:
    """Root mean square difference, 0 to 1, of two images of a prompt; `groups` is uint8 [prompts, seeds, h, w, 3]."""
    prompts, seeds = groups.shape[:2]
    if seeds < 2:
        return not_measured("it takes evaluate.seeds of 2 or more")
    value = mean_distance([group / 255 for group in groups])
    return {"value": value, "n": prompts * seeds, "seeds": list(range(seeds))}


def measure_clip_score(drawing: Drawing, clip: Clip | None, seeds: int) -> dict[str, Any]:
    """Mean over CLIP_PROMPTS and seeds; the confidence interval is of the seeds' means, since the prompts are fixed."""
    if clip is None:
        return not_measured(f"{OPTION} is null")
    each = [(prompt, seed) for seed in range(seeds) for prompt in CLIP_PROMPTS]
    prompts = [prompt for prompt, _ in each]
    images = drawing.draw("images for the CLIP score", prompts, [seed for _, seed in each])
    means = clip_score(clip, images, prompts).reshape(seeds, -1).mean(1)
    half = interval(means)
    return {
        "value": float(means.mean()), "confidence_95": NOT_MEASURED if half is None else half,
        "n": len(each), "seeds": list(range(seeds)), "prompts": list(CLIP_PROMPTS), "by": clip.record,
    }  # fmt: skip


def measure_judge(groups: np.ndarray, prompts: Sequence[str], clip: Clip | None) -> dict[str, Any]:
    """Share of images that CLIP finds nearest to their own prompt; `groups` is uint8 [prompts, seeds, h, w, 3]."""
    # Of a prompt that is there twice nobody can tell which one an image is of.
    firsts = [index for index, prompt in enumerate(prompts) if prompt not in prompts[:index]]
    if clip is None or len(firsts) < 2:
        return not_measured(f"{OPTION} is null" if clip is None else "it takes two prompts")
    chosen, seeds = [prompts[index] for index in firsts], groups.shape[1]
    value = matched_share(clip, groups[firsts], chosen)
    return {
        "value": value, "n": len(chosen) * seeds, "seeds": list(range(seeds)), "prompts": chosen, "by": clip.record,
    }  # fmt: skip


def measure_distances(drawing: Drawing, clip: Clip | None, data: Path, images: int) -> dict[str, dict[str, Any]]:
    """FID and KID of images of the data's captions against their images, in the features of CLIP (Kynkaanniemi et al.
    2023, arXiv 2203.06026): not to be compared with those in the features of Inception."""
    if images < 2 or clip is None:
        reason = "evaluate.fid_images is less than 2" if images < 2 else f"it takes {OPTION}"
        return {"fid": not_measured(reason), "kid": not_measured(reason)}
    samples = _evenly(DataFolder(data).samples(), images)
    if len(samples) < images:
        warn(f"evaluate.fid_images: {data} has {len(samples)} images, and {images} were asked for")
    if len(samples) < ENOUGH:
        warn(f"FID of {len(samples)} images is too high: compare it with values of as many alone, or read KID")
    drawn = drawing.draw("images for FID", [sample.caption for sample in samples], range(len(samples)))
    height, width = drawn.shape[1:3]
    real = [np.asarray(ImageOps.fit(decode_rgb(sample.image.read_bytes()), (width, height))) for sample in samples]
    found = distances(clip, np.stack(real), drawn)
    facts = {"n": len(samples), "seeds": [0, len(samples) - 1], "features": clip.record}
    return {name: {**values, **facts} for name, values in found.items()}


def _evenly(samples: list[Sample], count: int) -> list[Sample]:
    """At most `count` of them, from all over the list."""
    count = min(count, len(samples))
    return [samples[index * len(samples) // count] for index in range(count)]
