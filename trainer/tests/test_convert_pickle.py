"""Pickles that become safetensors, in a process of their own."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from t2i_trainer.convert_pickle import ConvertOptions, convert_pickle, tensors_of
from t2i_trainer.files import read_json
from t2i_trainer.golden.tiny_networks import modules
from t2i_trainer.networks.denoiser import load_unet
from t2i_trainer.stage import StageError


class Payload:
    """Runs code where it is read."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        code = f"import os, pathlib; pathlib.Path({str(self.file)!r}).write_text(os.environ.get('HF_TOKEN', 'none'))"
        return (exec, (code,))


def convert(folder: Path, source: str, target: str = "unet/diffusion_pytorch_model.safetensors", trust: bool = True):
    return convert_pickle(ConvertOptions(source, target, trust), folder)


def test_a_pickled_denoiser_becomes_a_folder_that_is_loaded_without_pickles(tmp_path: Path):
    unet = modules(seed=0, channels=4, factor=8, sample_size=8)[1]
    torch.save(unet, tmp_path / "diffuser.pth")
    result = convert(tmp_path, "diffuser.pth")
    assert result["file"].endswith("diffusion_pytorch_model.safetensors")
    loaded = load_unet(tmp_path / "unet").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in unet.state_dict().items())
    assert read_json(tmp_path / "unet" / "config.json")["_class_name"] == "UNet2DConditionModel"


def test_nothing_is_read_without_trust_and_every_mistake_is_told(tmp_path: Path):
    torch.save(Payload(tmp_path / "ran"), tmp_path / "evil.pth")
    with pytest.raises(StageError) as caught:
        convert(tmp_path, "evil.pth", "there.bin", trust=False)
    assert [issue.option for issue in caught.value.issues] == ["--i-trust-this-file", "target"]
    (tmp_path / "there.safetensors").write_text("mine")
    with pytest.raises(StageError) as caught:
        convert(tmp_path, "gone.pth", "there.safetensors")
    assert [issue.option for issue in caught.value.issues] == ["source", "target"]
    assert not (tmp_path / "ran").exists() and (tmp_path / "there.safetensors").read_text() == "mine"


def test_code_of_a_trusted_file_sees_no_secrets_and_the_parent_never_reads_it(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(torch, "load", lambda *_, **__: sys.exit("read in this process"))
    torch.save(Payload(tmp_path / "ran"), tmp_path / "evil.pth")
    with pytest.raises(StageError, match="could not be converted: ValueError: expected a module or tensors") as caught:
        convert(tmp_path, "evil.pth", "out/model.safetensors")
    assert caught.value.code == "MODEL_INVALID"
    assert (tmp_path / "ran").read_text() == "none"
    assert list((tmp_path / "out").iterdir()) == []


def test_states_within_checkpoints_and_tied_tensors_are_converted(tmp_path: Path):
    weight = torch.arange(6.0).view(2, 3)
    tensors = tensors_of({"state_dict": {"a": weight, "b": weight.t()}, "epoch": 3})
    torch.save({"a": weight, "b": weight}, tmp_path / "tied.bin")
    convert(tmp_path, "tied.bin", "tied.safetensors")
    assert tensors["b"].is_contiguous() and torch.equal(tensors["b"], weight.t())
    assert torch.equal(load_file(tmp_path / "tied.safetensors")["b"], weight)
    with pytest.raises(ValueError, match="received others as well: step"):
        tensors_of({"a": weight, "step": 3})
