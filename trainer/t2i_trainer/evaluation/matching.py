"""How often CLIP finds the prompt that an image was drawn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .clip import Clip


def matched_share(clip: Clip, groups: np.ndarray, prompts: Sequence[str]) -> float:
    """Share of images that CLIP finds nearer to their own prompt than to any other one, 0 to 1: R-precision at 1 (Xu et
    al. 2018, arXiv 1711.10485), with CLIP as the judge (Park et al. 2021). By chance it is 1 / prompts.

    `groups`: uint8 [prompts, seeds, h, w, 3]; no two of the prompts, two or more, are the same.
    """
    images = torch.from_numpy(groups).flatten(0, 1).permute(0, 3, 1, 2).contiguous()
    pictures, texts = _directions(_in_parts(clip, images)), _directions(_text_features(clip, prompts))
    nearest = (pictures @ texts.T).argmax(1)
    own = torch.arange(len(prompts)).repeat_interleave(groups.shape[1])
    return float((nearest == own).double().mean())


def _in_parts(clip: Clip, images: torch.Tensor, part: int = 32) -> torch.Tensor:
    return torch.cat([clip(images[start : start + part]).cpu() for start in range(0, len(images), part)])


@torch.no_grad()
def _text_features(clip: Clip, prompts: Sequence[str]) -> torch.Tensor:
    longest = clip.config.text_config.max_position_embeddings
    texts: Any = clip.processor(
        text=list(prompts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
    ).to(clip.model.device)
    return clip.get_text_features(texts["input_ids"], texts["attention_mask"]).cpu()


def _directions(features: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(features.double(), dim=1)
