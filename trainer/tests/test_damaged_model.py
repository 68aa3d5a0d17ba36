"""A promoted model whose files a disk or a hand has damaged."""

import importlib
import sys
from pathlib import Path

import pytest
from model_folders import parameters, write_project

from t2i_trainer.stage import StageError

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
STAGES = {name: importlib.import_module(name).stage for name in ("evaluate_model", "export_model")}


@pytest.mark.parametrize(
    "path",
    [
        "unet/diffusion_pytorch_model.safetensors", "unet/config.json", "text_encoder/model.safetensors",
        "vae/config.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer.json",
    ],
)  # fmt: skip
@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_a_promoted_model_that_is_damaged_is_told_with_the_way_back(tmp_path, stage, path):
    write_project(tmp_path)
    file = tmp_path / "saved_models" / "diffuser" / path
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(StageError, match=r"saved_models/diffuser cannot be") as caught:
        stage(tmp_path, parameters())
    assert (caught.value.code, "t2i promote" in caught.value.hint) == ("MODEL_INVALID", True)
    assert not (tmp_path / "saved_models" / "onnx_models").exists()
