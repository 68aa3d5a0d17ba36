"""The exporter on a tiny random run: what it writes, what its gate lets through, and what it refuses."""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file

import fixtures
from export import main
from t2i_trainer.emoji.export import ExportOptions, export
from t2i_trainer.evaluation import sampling
from t2i_trainer.files import read_json, sha256_file
from t2i_trainer.golden.tiny_tokenizer import CONTEXT, write_tokenizer_files
from t2i_trainer.networks.autoencoder import TinyAutoencoder
from t2i_trainer.networks.sketch import Sketch
from t2i_trainer.networks.text_encoder import TextEncoder, count_states
from t2i_trainer.onnx import components, pipeline
from t2i_trainer.onnx.components import export_component, load_components
from t2i_trainer.onnx.directory import publish
from t2i_trainer.onnx.export import export_graph, unet_graph
from t2i_trainer.onnx.images import token_ids
from t2i_trainer.onnx.parity import ParityError, Tolerance, judge, measure
from t2i_trainer.onnx.read_back import load_model_directory, load_parameters

PARTS = ("text_encoder", "unet", "vae_decoder")


def write_run(folder: Path, vae: torch.nn.Module | None = None) -> Path:
    """A run with random weights that fp16 does not hold exactly and no two of which are alike, as training leaves
    them."""
    generator = torch.Generator().manual_seed(0)
    clip, unet, kl = fixtures.modules(seed=0, channels=4, factor=8, sample_size=8)
    parts = {"text_encoder": clip, "unet": unet, "vae": vae or kl}
    for name, module in parts.items():
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(1e-3 * torch.randn(parameter.shape, generator=generator))
        module.save_pretrained(folder / name)
    DDIMScheduler(clip_sample=False).save_pretrained(folder / "scheduler")
    write_tokenizer_files(folder / "tokenizer")
    (folder / "data").mkdir()
    data = {"fingerprint": "ab" * 32, "sources": {"drawings": {"version": "1.0", "licence": "MIT", "use": "all"}}}
    (folder / "data" / "data.json").write_text(json.dumps(data))
    (folder / "options.json").write_text(json.dumps({"steps": 3}))
    return folder


def tiny_autoencoder() -> TinyAutoencoder:
    """As training leaves it: the convolutions, which start at 0, say something."""
    vae = TinyAutoencoder(4, (8, 16), (1, 1), 0.9)
    torch.nn.init.normal_(vae.decoder[-2].weight, std=0.1, generator=torch.Generator().manual_seed(0))
    return vae


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("export") / "run", tiny_autoencoder())


@pytest.fixture(scope="module")
def model(run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "tiny"
    assert main(["--run", str(run), "--out", str(out), "--name", "tiny", "--steps", "12"]) == 0
    return out


def graphs_of(part: str) -> list[str]:
    return ["model.onnx", "model.fp16.onnx", *(["model.bf16.onnx"] if part == "vae_decoder" else [])]


def test_graphs_have_opset_17_the_documented_names_and_no_weights_of_their_own(model):
    names = {
        "text_encoder": (["input_ids"], ["last_hidden_state"]),
        "unet": (["sample", "timestep", "encoder_hidden_states"], ["out_sample"]),
        "vae_decoder": (["latents"], ["image"]),
    }
    for part, (inputs, outputs) in names.items():
        assert {file.name for file in (model / part).glob("*.onnx")} == set(graphs_of(part))
        for file in graphs_of(part):
            # ONNX lists bf16 for convolutions from opset 22 on, TensorRT takes it in every one.
            onnx.checker.check_model(str(model / part / file), full_check=file != "model.bf16.onnx")
            graph = onnx.load(str(model / part / file), load_external_data=False)
            assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 17)]
            assert [value.name for value in graph.graph.input] == inputs
            assert [value.name for value in graph.graph.output] == outputs
            ends = (*graph.graph.input, *graph.graph.output)
            assert all(value.type.tensor_type.elem_type in (1, 7) for value in ends), "ends are float32 or int64"
            large = [tensor for tensor in graph.graph.initializer if np.prod(tensor.dims) >= 32]
            assert large and all(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in large)
            for tensor in large:
                assert {entry.key: entry.value for entry in tensor.external_data}["location"] == "model.weights"


def test_weights_are_stored_once_for_both_graphs(model, run):
    from safetensors.numpy import load_file

    weights = load_file(run / "unet" / "diffusion_pytorch_model.safetensors")
    stored = (model / "unet" / "model.weights").stat().st_size
    count = sum(tensor.size for tensor in weights.values())
    assert stored < 1.2 * 2 * count  # two bytes each, and the gaps of the alignment
    names = {tensor.name for tensor in onnx.load(str(model / "unet" / "model.onnx")).graph.initializer}
    assert "unet.conv_in.weight.fp16" in names
    assert "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q.weight.fp16" in names


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_pytorch_draws_from_the_weights_that_ship_what_the_graphs_draw(model, guidance):
    prompts, seeds = ["a red apple", "a blue flower", "a house"], [7, 8, 9]
    drawn = sampling.generate(load_model_directory(model), prompts, seeds, steps=3, guidance=guidance, batch=2)
    ids = [token_ids(model, prompt) for prompt in ("", *prompts)]
    for image, row, seed in zip(drawn, ids[1:], seeds, strict=True):
        expected = pipeline.generate(model, row, ids[0] if guidance > 1 else None, seed, 3, guidance, 8)
        assert np.abs(image.astype(int) - expected).max() <= 1
    assert (drawn[0] != drawn[1]).any()


def test_weights_that_a_graph_lacks_are_named(model):
    wider = TinyAutoencoder(4, (8, 24), (1, 1))
    with pytest.raises(ValueError, match=r"no weights of the right shape for \d+ parameters, first "):
        load_parameters(wider.decoder, model / "vae_decoder/model.onnx", "vae.decoder.")


def test_any_batch_and_size_runs(model):
    session = onnxruntime.InferenceSession(str(model / "unet" / "model.onnx"))
    for batch, height, width in ((1, 8, 8), (3, 4, 12)):
        feeds = {
            "sample": np.zeros((batch, 4, height, width), np.float32),
            "timestep": np.array([10.5], np.float32),
            "encoder_hidden_states": np.zeros((batch, CONTEXT, 16), np.float32),
        }
        assert session.run(None, feeds)[0].shape == (batch, 4, height, width)


def test_the_manifest_lists_every_other_file_with_its_hash(model):
    manifest = read_json(model / "t2i.json")
    files = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == files - {"t2i.json"}
    assert all(sha256_file(model / path) == hash for path, hash in manifest["files"].items())
    assert manifest["formatVersion"] == 1
    assert manifest["defaults"] == {"steps": 12, "guidanceScale": 5.0, "sampler": "ddim"}
    assert manifest["dataFingerprint"] == "ab" * 32
    assert manifest["licence"] == "drawings 1.0: MIT"
    assert manifest["evaluation"] is None
    session = onnxruntime.InferenceSession(str(model / "text_encoder" / "model.onnx"))
    states = session.run(None, {"input_ids": np.array([token_ids(model, "")])})[0]
    assert manifest["nullEmbeddingSha256"] == hashlib.sha256(states.tobytes()).hexdigest()
    assert manifest["training"]["denoiser"] == {"steps": 3}
    assert manifest["training"]["float16ImagePsnr"] >= 35


def test_the_gate_saw_every_batch_and_size_and_passed_within_its_tolerance(model):
    parity = read_json(model / "t2i.json")["training"]["parity"]
    assert set(parity) == {f"{part}/{file}" for part in PARTS for file in graphs_of(part)}
    for name, seen in parity.items():
        assert seen["inputs"] == (3 if name.startswith("text") else 6)
        if name.endswith("/model.onnx"):
            assert seen["max_abs"] < 1e-4
            assert seen["max_abs_to_float32_weights"] > seen["max_abs"], (
                "rounding the weights costs more than the graph"
            )
        else:
            assert 1e-5 < seen["max_abs"] < 0.1, "arithmetic in 16 bits must show, and not much"
    coarse, half = (parity[f"vae_decoder/model.{kind}.onnx"]["max_abs"] for kind in ("bf16", "fp16"))
    assert coarse > 4 * half, "rounded to 8 bits where fp16 has 11"


def test_an_export_replaces_the_old_one_as_a_whole(run, tmp_path):
    out = tmp_path / "tiny"
    out.mkdir()
    (out / "left-over").write_text("of an older export")
    export(ExportOptions(run=run, out=out, name="tiny"))
    assert not (out / "left-over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def doubled(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with twice its output: another length, the same direction."""
    last = model.graph.node[-1]
    name, last.output[0] = last.output[0], "before"
    model.graph.node.append(onnx.helper.make_node("Add", ["before", "before"], [name]))
    return model


def with_a_wrong_weight(model: onnx.ModelProto) -> onnx.ModelProto:
    weight = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] += 1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    return model


@pytest.mark.parametrize(
    ("form", "damage", "message"),
    [
        ("half_weights", with_a_wrong_weight, r"\w+/model\.onnx differs from PyTorch"),
        ("half_weights", doubled, r"text_encoder/model\.onnx differs from PyTorch"),
        ("half_compute", doubled, r"an image by the fp16 graphs is \d+\.\d dB from float32"),
    ],
)
def test_a_graph_that_differs_publishes_nothing(run, tmp_path, monkeypatch, capsys, form, damage, message):
    out = tmp_path / "tiny"
    out.mkdir()
    (out / "older").write_text("export")
    original = getattr(components, form)
    monkeypatch.setattr(components, form, lambda *given: damage(original(*given)))
    assert main(["--run", str(run), "--out", str(out), "--name", "tiny"]) == 1
    assert re.search(f"nothing was published: {message}", capsys.readouterr().err)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["tiny", "tiny/older"]


def test_the_gate_refuses_what_is_no_number(run, tmp_path):
    graph = unet_graph(fixtures.modules(seed=0, channels=4, factor=8, sample_size=8)[1], CONTEXT)
    export_graph(graph, tmp_path / "model.onnx")
    with torch.no_grad():
        next(graph.module.parameters()).fill_(torch.nan)
    parity = measure(tmp_path / "model.onnx", graph, graph.module, 2)
    with pytest.raises(ParityError, match="nan"):
        judge("unet/model.onnx", parity, Tolerance(1e-3, 0.9999))


def test_a_sketch_is_exported_with_the_words_and_read_back(tmp_path):
    run = write_run(tmp_path / "run", tiny_autoencoder())
    encoder = TextEncoder(load_components(run)[0].module, Sketch(16, hidden=24, queries=2)).eval()
    torch.nn.init.normal_(encoder.sketch.norm.bias)
    encoder.save_pretrained(run / "text_encoder")
    export(ExportOptions(run=run, out=tmp_path / "tiny", name="tiny", preset={"fast": 3}))
    assert read_json(tmp_path / "tiny" / "t2i.json")["presets"] == {"fast": {"steps": 3}}
    ids = np.arange(CONTEXT)[None] % 100
    states = onnxruntime.InferenceSession(str(tmp_path / "tiny/text_encoder/model.onnx")).run(None, {"input_ids": ids})[
        0
    ]
    assert states.shape == (1, count_states(encoder), 16) and count_states(encoder) > CONTEXT
    with torch.no_grad():
        np.testing.assert_allclose(states, encoder(torch.from_numpy(ids)).numpy(), atol=5e-3)
    back = load_model_directory(tmp_path / "tiny")
    with torch.no_grad():
        np.testing.assert_allclose(states, back.text_encoder(torch.from_numpy(ids)).numpy(), atol=1e-4)


def test_another_opset_than_the_one_asked_for_is_refused(tmp_path, monkeypatch):
    graph = unet_graph(fixtures.modules(seed=0, channels=4, factor=8, sample_size=8)[1], CONTEXT)
    monkeypatch.setattr(torch.onnx, "export", with_opset(torch.onnx.export, 16))
    with pytest.raises(RuntimeError, match="expected the default domain at 17"):
        export_graph(graph, tmp_path / "model.onnx")


def with_opset(original, opset: int):
    return lambda *args, **options: original(*args, **{**options, "opset_version": opset})


def test_an_autoencoder_of_diffusers_is_exported_too(tmp_path):
    run = write_run(tmp_path / "run")
    assert len(export_component(load_components(run)[2], run, tmp_path)) == len(graphs_of("vae_decoder"))
    image = onnx.load(str(tmp_path / "vae_decoder" / "model.onnx")).graph.output[0]
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == [
        "batch", 3, "image_height", "image_width",
    ]  # fmt: skip


def test_the_committed_fixtures_are_what_the_script_writes(tmp_path):
    """Another CPU may round a weight or a pixel differently; graphs, configurations and tokenizers are the same."""
    fixtures.write_fixtures(tmp_path)
    committed = Path(__file__).parents[2] / "test" / "fixtures"
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        relative = path.relative_to(tmp_path)
        if relative.name == "model.weights":
            written, kept = (np.fromfile(file, np.float16) for file in (path, committed / relative))
            np.testing.assert_allclose(written, kept, rtol=2e-3, atol=1e-6, err_msg=str(relative))
        elif relative.suffix == ".safetensors":
            written, kept = (load_file(file) for file in (path, committed / relative))
            torch.testing.assert_close(written, kept, rtol=2e-3, atol=1e-6)
        elif relative.name != "reference-images.json":
            assert path.read_bytes() == (committed / relative).read_bytes(), f"{relative}: run trainer/fixtures.py"


def test_a_kill_in_the_middle_leaves_the_target_alone(tmp_path, monkeypatch):
    """The folder is renamed as the last thing, when its files are on the disk."""
    (tmp_path / "written").mkdir()
    (tmp_path / "written" / "model.onnx").write_text("graph")
    order = []
    monkeypatch.setattr(os, "fsync", lambda handle: order.append("sync"))
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda self, target: (order.append("rename"), rename(self, target))[1])
    publish(tmp_path / "written", tmp_path / "tiny")
    assert order == ["sync", "rename"]
