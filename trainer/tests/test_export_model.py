"""A project's model as a model directory: the same images, or nothing at all."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from model_folders import RECORD, parameters, write_project

from t2i_trainer.evaluation.psnr import psnr
from t2i_trainer.files import read_json
from t2i_trainer.networks.model_folder import load_model
from t2i_trainer.onnx import components, int8
from t2i_trainer.onnx.images import token_ids
from t2i_trainer.onnx.pipeline import generate
from t2i_trainer.onnx.project import report_of
from t2i_trainer.stage import StageError

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
export_model = importlib.import_module("export_model")


def by_diffusers(folder: Path, size: tuple[int, int]) -> np.ndarray:
    """What diffusers' own pipeline draws of "a red apple" from the trained weights, in bytes."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, use_safetensors=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    height, width = size
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(1, pipeline.unet.config.in_channels, height, width, generator=generator)
    drawn = pipeline(
        "a red apple", latents=latents, num_inference_steps=5, guidance_scale=4.0, output_type="np",
        height=height * pipeline.vae_scale_factor, width=width * pipeline.vae_scale_factor,
    )  # fmt: skip
    return (drawn.images * 255).round().astype(np.uint8)


def by_onnx(model: Path, graph: str) -> np.ndarray:
    ids, empty = token_ids(model, "a red apple"), token_ids(model, "")
    return generate(model, ids, empty, 3, 5, 4.0, read_json(model / "unet" / "config.json")["sample_size"], graph)[None]


def check_images(model: Path, folder: Path, size: tuple[int, int]) -> None:
    expected = by_diffusers(folder, size)
    assert expected.std() > 5, "an image that shows something"
    for graph in ("model.onnx", "model.fp16.onnx"):
        assert psnr(by_onnx(model, graph), expected)[0] > 35


def check_opset(model: Path, opset: int) -> None:
    for part in ("text_encoder", "unet", "vae_decoder", "vae_encoder"):
        for graph in ("model.onnx", "model.fp16.onnx"):
            written = onnx.load(str(model / part / graph), load_external_data=False)
            assert [(entry.domain, entry.version) for entry in written.opset_import] == [("", opset)]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def model(project) -> Path:
    """Exported as the command line does it; on standard output there are events alone."""
    (project / "params.json").write_text(parameters(export={"licence": "MIT"}).model_dump_json())
    script = Path(__file__).parents[1] / "stages" / "export_model.py"
    command = [sys.executable, script, "--project", project, "--params", project / "params.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event"] for event in events[:-1]} == {"progress"}
    assert events[-1]["event"] == "result"
    return Path(events[-1]["value"]["folder"])


def test_the_graphs_draw_what_diffusers_draws(project, model):
    assert model == project / "saved_models" / "onnx_models"
    check_images(model, project / "saved_models" / "diffuser", (8, 8))
    check_opset(model, 17)


@pytest.mark.parametrize(
    ("channels", "factor", "size", "prediction", "opset"),
    [(16, 4, (4, 8), "v_prediction", 23), (3, 16, None, "sample", 18)],
)
def test_other_models_and_opsets_are_exported_alike(tmp_path, channels, factor, size, prediction, opset):
    """A denoiser that does not say its size is given the project's."""
    folder = write_project(tmp_path, channels, factor, size or (8, 4), prediction)
    if size is None:
        config = read_json(folder / "unet" / "config.json")
        (folder / "unet" / "config.json").write_text(json.dumps({**config, "sample_size": None}))
    export_model.stage(tmp_path, parameters(export={"opset": opset}, vae={"image_size": [64, 128]}))
    model = tmp_path / "saved_models" / "onnx_models"
    assert read_json(model / "unet/config.json")["sample_size"] == list(size or (4, 8))
    check_images(model, folder, size or (4, 8))
    check_opset(model, opset)


def test_the_manifest_carries_the_record_of_the_run(model):
    manifest = read_json(model / "t2i.json")
    assert (manifest["name"], manifest["licence"], manifest["dataFingerprint"]) == ("flowers", "MIT", "ef" * 32)
    assert manifest["defaults"] == {"steps": 30, "guidanceScale": 7.5, "sampler": "ddim"}
    assert RECORD.items() <= manifest["training"].items()
    assert manifest["evaluation"] is None
    present = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == present - {"t2i.json"}


def test_a_report_goes_with_the_model_it_is_of_alone(tmp_path, capsys):
    report = tmp_path / "evaluation.json"
    report.write_text(json.dumps({"model": {"unet/config.json": "aa"}}))
    assert report_of({"unet/config.json": "aa"}, report) == read_json(report)
    assert capsys.readouterr().out == ""
    assert report_of({"unet/config.json": "bb"}, report) is None
    assert "of another model" in capsys.readouterr().out


def test_the_encoder_gives_the_mean_of_the_latents(project, model):
    session = onnxruntime.InferenceSession(model / "vae_encoder" / "model.onnx")
    image = np.random.default_rng(0).uniform(-1, 1, (2, 3, 64, 96)).astype(np.float32)
    [latents] = session.run(None, {"image": image})
    vae = AutoencoderKL.from_pretrained(project / "saved_models/diffuser/vae")
    with torch.no_grad():
        expected = vae.encode(torch.from_numpy(image)).latent_dist.mean
    np.testing.assert_allclose(latents, expected, atol=2e-3)


@pytest.fixture(scope="module")
def parts(project) -> list[components.Component]:
    return components.components_of(*load_model(project / "saved_models" / "diffuser", (64, 64)))[:2]


def test_int8_graphs_that_pass_are_beside_the_others(model, parts, tmp_path, monkeypatch, capsys):
    """The gate is wider here: random networks of a few channels are the worst case of rounding to 8 bits."""
    monkeypatch.setattr(int8, "INT8_TOLERANCE", int8.Tolerance(None, 0.99))
    monkeypatch.setattr("t2i_trainer.onnx.images.LOWEST_PSNR", 5.0)
    shutil.copytree(model, tmp_path / "model")
    measured = int8.add_int8(parts, tmp_path / "model", 1.0)
    assert set(measured["int8Parity"]) == {"text_encoder/model.int8.onnx", "unet/model.int8.onnx"}
    assert 5 < measured["int8ImagePsnr"] < 100, "another image, and not quite another"
    graph = onnx.load(str(tmp_path / "model" / "unet" / "model.int8.onnx"), load_external_data=False)
    assert any(node.op_type == "QuantizeLinear" for node in graph.graph.node)
    assert (tmp_path / "model" / "unet" / "model.int8.weights").exists()
    assert capsys.readouterr().out.count("warning") == 0


@pytest.mark.parametrize(("tolerance", "warned"), [(1.0, ["its int8 graph"] * 2), (0.99, ["all int8 graphs"])])
def test_int8_graphs_that_fail_are_left_out_with_a_warning(
    model, parts, tmp_path, monkeypatch, capsys, tolerance, warned
):
    monkeypatch.setattr(int8, "INT8_TOLERANCE", int8.Tolerance(None, tolerance))
    monkeypatch.setattr("t2i_trainer.onnx.images.LOWEST_PSNR", 90.0)
    shutil.copytree(model, tmp_path / "model")
    assert int8.add_int8(parts, tmp_path / "model", 1.0) == {}
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert len(events) == len(warned)
    assert all(f"{what} " in event["message"] for event, what in zip(events, warned, strict=True))
    assert list((tmp_path / "model").rglob("*int8*")) == []


def test_a_graph_that_differs_keeps_the_old_directory(project, monkeypatch):
    old = project / "saved_models" / "onnx_models"
    old.mkdir(exist_ok=True)
    (old / "older").write_text("export")
    original = components.half_weights

    def damaged(model: onnx.ModelProto) -> onnx.ModelProto:
        last = model.graph.node[-1]
        name, last.output[0] = last.output[0], "before"
        model.graph.node.append(onnx.helper.make_node("Add", ["before", "before"], [name]))
        return original(model)

    monkeypatch.setattr(components, "half_weights", damaged)
    with pytest.raises(StageError, match=r"nothing was exported: text_encoder/model\.onnx differs") as caught:
        export_model.stage(project, parameters())
    assert caught.value.code == "MODEL_INVALID"
    assert (old / "older").read_text() == "export"
    assert [path.name for path in old.parent.iterdir() if path.name.startswith(".")] == []


def test_a_decoder_that_is_too_coarse_in_bf16_is_exported_without_and_says_so(project, monkeypatch, capsys):
    original = components.judge

    def judge(name, parity, tolerance):
        if name.endswith("model.bf16.onnx"):
            raise components.ParityError(f"{name} differs from PyTorch")
        return original(name, parity, tolerance)

    monkeypatch.setattr(components, "judge", judge)
    export_model.stage(project, parameters())
    exported = project / "saved_models" / "onnx_models" / "vae_decoder"
    assert {file.name for file in exported.glob("*.onnx")} == {"model.onnx", "model.fp16.onnx"}
    manifest = read_json(exported.parent / "t2i.json")
    left_out = manifest["training"]["parity"]["vae_decoder/model.bf16.onnx"]
    assert left_out == {"leftOut": "vae_decoder/model.bf16.onnx differs from PyTorch"}
    assert "vae_decoder/model.bf16.onnx" not in manifest["files"]
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    [warning] = [event["message"] for event in events if event["event"] == "warning"]
    assert warning.startswith("vae_decoder/model.bf16.onnx differs from PyTorch; it is left out: ")


def test_pickles_are_refused_with_the_command_that_converts_them(tmp_path):
    folder = write_project(tmp_path / "parts")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    (tmp_path / "whole" / "saved_models").mkdir(parents=True)
    (tmp_path / "whole" / "saved_models" / "diffuser.pth").write_bytes(b"\x80\x04")
    for project, name in (("parts", "diffusion_pytorch_model.bin"), ("whole", "diffuser.pth")):
        with pytest.raises(StageError, match=name) as caught:
            export_model.stage(tmp_path / project, parameters())
        assert "t2i model convert-pickle" in caught.value.hint


def test_everything_that_contradicts_is_told_at_once(tmp_path):
    folder = write_project(tmp_path)
    config = read_json(folder / "unet" / "config.json")
    changes = {"in_channels": 9, "cross_attention_dim": 17, "time_cond_proj_dim": 32}
    (folder / "unet" / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(StageError) as caught:
        export_model.stage(tmp_path, parameters())
    assert [issue.option.split(": ")[-1] for issue in caught.value.issues] == list(changes)
