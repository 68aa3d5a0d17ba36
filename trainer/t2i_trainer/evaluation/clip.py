"""CLIP as a judge of images: how well they match their prompts, and features to compare sets of images by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor, nn
from torchmetrics.multimodal.clip_score import CLIPScore
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from ..data.pretrained import find_pretrained

OPTION = "evaluate.clip_model"


class Clip(nn.Module):
    """CLIP with both of its sides, frozen; as a module, images, uint8 [n, 3, h, w], to features, float32 [n, width]."""

    def __init__(self, name: str, project: Path, device: str):
        """`name`: a folder or a name on the Hub. Raises StageError where it is no CLIP in safetensors."""
        super().__init__()
        found = find_pretrained(name, project, OPTION)
        self.model = found.load(CLIPModel, device)
        self.config = self.model.config
        self.record = {"model": name, "sha256": found.sha256()}
        images = _image_processor(found.folder, self.config.vision_config.image_size)
        self.processor = CLIPProcessor(images, CLIPTokenizer.from_pretrained(found.tokenizer))
        self.num_features = self.config.projection_dim
        """By this name torchmetrics knows the width of the features."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        pixels = self.processor(images=list(images.cpu()), return_tensors="pt")["pixel_values"]
        return self.get_image_features(pixels.to(self.model.device))

    def get_image_features(self, pixels: Tensor) -> Tensor:
        """Of prepared pixels; torchmetrics calls it."""
        return _plain(self.model.get_image_features(pixel_values=pixels))

    def get_text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Of token ids with their attention mask; torchmetrics calls it."""
        return _plain(self.model.get_text_features(input_ids=ids, attention_mask=mask))


def clip_score(clip: Clip, images: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """CLIP score (Hessel et al. 2021, arXiv 2104.08718, with 100 as its weight): 100 max(cos, 0) of each image, uint8
    [n, h, w, 3], and its prompt; float64 [n]."""
    metric = CLIPScore(model_name_or_path=lambda: (clip, clip.processor)).to(clip.model.device)
    scores = []
    for image, prompt in zip(images, prompts, strict=True):
        metric.update(torch.from_numpy(image).permute(2, 0, 1).to(clip.model.device), prompt)
        scores.append(float(metric.compute()))
        metric.reset()
    return np.array(scores)


def interval(means: np.ndarray) -> float | None:
    """Half the width of the 95 % confidence interval of the mean of independent values [n], by Student's law; None for
    fewer than two."""
    if len(means) < 2:
        return None
    return float(student.ppf(0.975, len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5)


def _image_processor(folder: Path, side: int) -> CLIPImageProcessorPil:
    """As the folder's preprocessor_config.json says, or OpenAI's way for images of `side`."""
    if (folder / "preprocessor_config.json").exists():
        return CLIPImageProcessorPil.from_pretrained(folder)
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def _plain(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.pooler_output
