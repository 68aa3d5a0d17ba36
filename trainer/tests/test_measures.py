"""Scores of images against values worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import write_clip
from torch import Tensor, nn

from t2i_trainer.evaluation.clip import Clip, clip_score, interval
from t2i_trainer.evaluation.distances import distances
from t2i_trainer.stage import StageError


def test_the_clip_score_is_a_hundred_times_the_cosine_and_never_negative(tmp_path: Path):
    clip = Clip(str(write_clip(tmp_path / "clip")), tmp_path, "cpu")
    images = np.random.default_rng(0).integers(0, 256, (6, 40, 32, 3), dtype=np.uint8)
    prompts = ["a red apple", "a cat", "two birds", "", "a boat", "the moon"]
    scores = clip_score(clip, images, prompts)
    expected = []
    for image, prompt in zip(images, prompts, strict=True):
        inputs = clip.processor(text=[prompt], images=[torch.from_numpy(image).permute(2, 0, 1)], return_tensors="pt")
        with torch.no_grad():
            expected.append(100 * float(clip.model(**inputs).logits_per_image / clip.model.logit_scale.exp()))
    np.testing.assert_allclose(scores, expected, atol=1e-3)
    assert min(expected) > 0
    with torch.no_grad():
        clip.model.text_projection.weight.neg_()
    assert (clip_score(clip, images, prompts) == 0).all()


def test_a_clip_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StageError, match=r"evaluate\.clip_model: empty cannot be used"):
        Clip("empty", tmp_path, "cpu")


def test_the_interval_is_students():
    assert interval(np.array([1.0, 2.0, 3.0])) == pytest.approx(4.302653 / 3**0.5, abs=1e-5)
    assert interval(np.array([1.0])) is None


class MeanColour(nn.Module):
    num_features = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3))


def test_the_frechet_distance_of_two_clouds_alike_is_the_square_of_their_distance():
    shades = np.random.default_rng(0).integers(50, 200, (40, 1, 1, 3), dtype=np.uint8)
    real = np.broadcast_to(shades, (40, 4, 4, 3))
    same = distances(MeanColour(), real, real)
    assert same["fid"]["value"] == pytest.approx(0, abs=0.01)
    moved = distances(MeanColour(), real, real + np.array([3, 0, 4], np.uint8))
    assert moved["fid"]["value"] == pytest.approx(25, abs=0.1)
    assert moved["kid"]["value"] > same["kid"]["value"]


def test_the_subsets_of_the_kernel_distance_are_always_the_same(monkeypatch):
    monkeypatch.setattr("t2i_trainer.evaluation.distances.SUBSET_SIZE", 5)
    real = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(distances(MeanColour(), real, real[::-1].copy())["kid"])
    assert found[0] == found[1] and found[0]["deviation"] > 0


def test_the_kernel_distance_is_the_unbiased_one():
    """Equation 4 of Binkowski et al. with the cubic kernel (x y / d + 1)^3, on all images at once."""
    draw = np.random.default_rng(1)
    real, drawn = (np.broadcast_to(draw.integers(0, 4, (8, 1, 1, 3), dtype=np.uint8), (8, 2, 2, 3)) for _ in range(2))
    x, y = (images[:, 0, 0].astype(np.float64) for images in (real, drawn))

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / 3 + 1) ** 3

    inside = sum((kernel(a, a).sum() - np.trace(kernel(a, a))) / (8 * 7) for a in (x, y))
    expected = inside - 2 * kernel(x, y).mean()
    assert distances(MeanColour(), real, drawn)["kid"]["value"] == pytest.approx(expected, rel=1e-4)
