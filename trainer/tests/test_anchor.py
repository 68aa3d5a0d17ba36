"""The model that benchmarks measure: what it is written from must fit together, or the SDK refuses it; and what they
measure it against must draw the same image."""

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTokenizer

import diffusers_peer
from t2i_trainer.onnx.pipeline import generate

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from anchor_model import CONTEXT, PARAMETERS, unet_config, write_anchor

T2I = Path(__file__).resolve().parents[2] / "bin" / "t2i.mjs"

REQUEST = {
    "mode": "eager",
    "prompt": "a red apple",
    "seed": 7,
    "steps": 3,
    "guidance": 5.0,
    "latentHeight": 16,
    "latentWidth": 16,
}


@pytest.fixture(scope="module")
def anchor(tmp_path_factory) -> Path:
    small = {**unet_config(), "block_out_channels": (32, 32, 32), "layers_per_block": 1, "cross_attention_dim": 16}
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("benchmarks") / "anchor"
    write_anchor(out, UNet2DConditionModel(**small))
    return out


def dims(path: Path, name: str) -> list[int | str]:
    graph = onnx.load(path, load_external_data=False).graph
    value = next(value for value in (*graph.input, *graph.output) if value.name == name)
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def test_the_tokenizer_the_text_encoder_and_the_unet_have_one_context(anchor):
    context = json.loads((anchor / "tokenizer/tokenizer_config.json").read_text())["model_max_length"]
    text, unet = (anchor / part / "model.onnx" for part in ("text_encoder", "unet"))
    assert dims(text, "input_ids") == ["batch", context]
    assert dims(text, "last_hidden_state") == dims(unet, "encoder_hidden_states") == ["batch", context, 16]


def test_the_unet_has_the_size_that_results_are_given_for():
    with torch.device("meta"):
        unet = UNet2DConditionModel(**unet_config())
    assert sum(parameter.numel() for parameter in unet.parameters()) == PARAMETERS


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
@pytest.mark.skipif(not (T2I.parents[1] / "dist").exists(), reason="not built: npm run build")
def test_the_command_line_measures_the_model_beside_diffusers(anchor):
    flags = ["--backend", "onnxruntime", "--steps", "1", "--rounds", "1", "--concurrency", "1"]
    against = ["--against", "diffusers", "--python", sys.executable, "--json"]
    done = subprocess.run(["node", T2I, "bench", "--model", anchor, *flags, *against], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, theirs = json.loads(done.stdout)["subjects"]
    assert [ours["name"], theirs["name"]] == ["onnxruntime", "diffusers (eager, cpu)"]
    assert theirs["difference"]["maxAbs"] <= 1
    assert theirs["runsOn"].startswith(f"torch {torch.__version__}")


def ask(capsys, monkeypatch, model: Path, *requests: dict) -> tuple[int, list[dict]]:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(request) + "\n" for request in requests)))
    # It ignores Ctrl-C and sets torch's threads, which are this process's own here.
    monkeypatch.setattr("signal.signal", lambda *_: None)
    code = diffusers_peer.main([str(model), "--threads", str(torch.get_num_threads())])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_diffusers_draws_the_image_of_the_graphs_and_tells_its_times(anchor, capsys, monkeypatch):
    wide = {**REQUEST, "latentHeight": 8, "guidance": 1.0}
    code, (versions, *replies) = ask(capsys, monkeypatch, anchor, REQUEST, wide)
    assert code == 0
    assert versions == {
        "torch": torch.__version__,
        "diffusers": diffusers_peer.diffusers.__version__,
        "device": "the CPU",
        "dtype": "float32",
    }
    assert all(0 < reply["unetMs"] < reply["ms"] for reply in replies)
    tokenizer = CLIPTokenizer.from_pretrained(anchor / "tokenizer")
    ids, negative = (
        tokenizer(text, padding="max_length", truncation=True, max_length=CONTEXT).input_ids
        for text in ("a red apple", "")
    )
    rgb = generate(anchor, ids, negative, REQUEST["seed"], REQUEST["steps"], REQUEST["guidance"], 16)
    drawn = np.frombuffer(base64.b64decode(replies[0]["rgb"]), np.uint8).reshape(rgb.shape)
    assert np.abs(drawn.astype(int) - rgb).max() <= 1
    assert len(base64.b64decode(replies[1]["rgb"])) == 64 * 128 * 3


def test_a_model_that_it_cannot_read_is_an_answer(capsys, monkeypatch, tmp_path):
    code, answers = ask(capsys, monkeypatch, tmp_path, REQUEST)
    assert code == 1
    assert [list(answer) for answer in answers] == [["error"]]
    assert "config.json" in answers[0]["error"]
