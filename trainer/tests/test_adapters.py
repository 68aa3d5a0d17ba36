"""Adapters of a file, baked into the weights of a denoiser."""

from pathlib import Path

import pytest
import torch
from model_folders import write_project
from safetensors.torch import save_file

from t2i_trainer.golden.tiny_networks import modules
from t2i_trainer.networks.denoiser import load_unet
from t2i_trainer.networks.lora import LORA_FILE, bake_adapters
from t2i_trainer.networks.model_folder import load_model, model_hashes
from t2i_trainer.stage import StageError

LINEAR = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"
CONV = "down_blocks.0.resnets.0.conv1"


@pytest.fixture
def unet() -> torch.nn.Module:
    return modules(seed=0, channels=4, factor=8, sample_size=8)[1]


def pair(name: str, down: tuple[int, ...], up: tuple[int, ...]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(shape, generator=generator) for shape in (down, up)]
    return {f"unet.{name}.lora_A.weight": drawn[0], f"unet.{name}.lora_B.weight": drawn[1]}


def test_a_layer_with_baked_adapters_does_what_the_layer_and_its_adapters_do(unet, tmp_path: Path):
    linear, conv = pair(LINEAR, (2, 16), (16, 2)), pair(CONV, (3, 8, 3, 3), (8, 3, 1, 1))
    save_file({**linear, **conv, f"unet.{LINEAR}.alpha": torch.tensor(8.0)}, tmp_path / LORA_FILE)
    x, image = torch.randn(5, 16), torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        down, up = linear.values()
        by_hand = unet.get_submodule(LINEAR)(x) + 8 / 2 * (x @ down.T @ up.T)
        down, up = conv.values()
        hidden = torch.nn.functional.conv2d(image, down, padding=1)
        by_hand_conv = unet.get_submodule(CONV)(image) + torch.nn.functional.conv2d(hidden, up)
        assert bake_adapters(unet, tmp_path / LORA_FILE) == 2
        torch.testing.assert_close(unet.get_submodule(LINEAR)(x), by_hand, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(unet.get_submodule(CONV)(image), by_hand_conv, atol=1e-4, rtol=1e-4)


def test_adapters_that_are_in_the_weights_already_are_not_added_twice(unet, tmp_path: Path):
    before = unet.get_submodule(LINEAR).weight.clone()
    save_file(pair(LINEAR, (2, 16), (16, 2)), tmp_path / LORA_FILE, {"merged": "true"})
    assert bake_adapters(unet, tmp_path / LORA_FILE) == 0
    assert torch.equal(unet.get_submodule(LINEAR).weight, before)


def test_adapters_of_another_denoiser_are_named_and_change_nothing(unet, tmp_path: Path):
    good, wide = pair(LINEAR, (2, 16), (16, 2)), pair(LINEAR.replace("to_q", "to_k"), (2, 9), (16, 2))
    lone = {f"unet.{LINEAR.replace('to_q', 'to_v')}.lora_B.weight": torch.zeros(16, 2)}
    wrong = {**wide, **lone, **pair("nowhere", (2, 16), (16, 2)), "text_encoder.alpha": torch.tensor(1.0)}
    save_file({**good, **wrong}, tmp_path / LORA_FILE)
    before = unet.get_submodule(LINEAR).weight.clone()
    with pytest.raises(StageError, match="6 adapters do not fit") as caught:
        bake_adapters(unet, tmp_path / LORA_FILE)
    assert {issue.option.split(": ")[1] for issue in caught.value.issues} == set(wrong)
    assert torch.equal(unet.get_submodule(LINEAR).weight, before)


def test_a_model_is_loaded_with_its_adapters(tmp_path: Path):
    folder = write_project(tmp_path)
    before = load_unet(folder / "unet").get_submodule(LINEAR).weight
    save_file(pair(LINEAR, (2, 16), (16, 2)), folder / LORA_FILE)
    _, unet, _ = load_model(folder, (64, 64))
    assert not torch.allclose(unet.get_submodule(LINEAR).weight, before, atol=0.1)
    assert LORA_FILE in model_hashes(folder)
