"""How often CLIP gives an image its own prompt."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import BatchEncoding

from t2i_trainer.evaluation.measures import measure_judge


def test_clip_gives_images_their_own_prompt(tmp_path):
    """Of a CLIP whose features are the colours that images and prompts have."""
    colours = {"red": [255, 0, 0], "green": [0, 255, 0], "blue": [0, 0, 255]}

    class Colours:
        record = {"model": "colours", "sha256": "ab" * 32}  # noqa: RUF012
        config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=8))
        model = SimpleNamespace(device="cpu")

        def processor(self, text, **_):
            return BatchEncoding({"input_ids": torch.tensor([colours[name] for name in text]), "attention_mask": None})

        def get_text_features(self, ids, mask):
            return ids.float()

        def __call__(self, images):
            return images.float().mean((2, 3))

    groups = np.zeros((4, 2, 4, 4, 3), np.uint8)
    for index, name in enumerate(("red", "green", "red", "blue")):
        groups[index] = colours[name]
    groups[1, 1] = colours["blue"]
    found = measure_judge(groups, ["red", "green", "red", "blue"], Colours())
    assert found["value"] == pytest.approx(5 / 6) and found["n"] == 6 and found["prompts"] == ["red", "green", "blue"]
    assert measure_judge(groups[:1], ["red"], Colours())["reason"] == "it takes two prompts"
