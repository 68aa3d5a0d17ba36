"""The model that benchmarks measure: what it is written from must fit together, or the SDK refuses it."""

import json
import sys
from pathlib import Path

import onnx
from diffusers import UNet2DConditionModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from anchor_model import unet_config, write_anchor


def dims(path: Path, name: str) -> list[int | str]:
    graph = onnx.load(path, load_external_data=False).graph
    value = next(value for value in (*graph.input, *graph.output) if value.name == name)
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def test_the_tokenizer_the_text_encoder_and_the_unet_have_one_context(tmp_path):
    small = {**unet_config(), "block_out_channels": (32, 32, 32), "layers_per_block": 1, "cross_attention_dim": 16}
    write_anchor(tmp_path / "anchor", UNet2DConditionModel(**small))
    context = json.loads((tmp_path / "anchor/tokenizer/tokenizer_config.json").read_text())["model_max_length"]
    text, unet = (tmp_path / "anchor" / part / "model.onnx" for part in ("text_encoder", "unet"))
    assert dims(text, "input_ids") == ["batch", context]
    assert dims(text, "last_hidden_state") == dims(unet, "encoder_hidden_states") == ["batch", context, 16]
