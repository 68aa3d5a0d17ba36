"""LoRA adapters are all that is trained, and merge into the network they were trained on."""

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import distance, options_of, params, run, weights

from t2i_trainer.networks.denoiser import load_unet
from t2i_trainer.networks.lora import LORA_FILE, bake_adapters
from t2i_trainer.stage import StageError
from t2i_trainer.training.lora import LoraLinear, adapter_tensors, add_adapters, has_adapters, merged
from t2i_trainer.training.model import new_model
from t2i_trainer.training.steps import trained_weights


@pytest.fixture
def unet():
    return new_model(options_of(params(), 1))[0]


def predict(unet) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    latents, text = (torch.randn(size, generator=draw) for size in ((2, 4, 8, 8), (2, 3, 16)))
    with torch.no_grad():
        return unet.eval()(latents, torch.tensor([3, 700]), text).sample


def test_new_adapters_change_nothing_and_alone_are_trained(unet):
    before = predict(unet)
    add_adapters(unet, 2)
    assert torch.equal(predict(unet), before)
    assert set(trained_weights(unet)) == {name.removeprefix("unet.") for name in adapter_tensors(unet)}


def test_merged_weights_predict_what_network_and_adapters_predict(unet):
    before = predict(unet)
    add_adapters(unet, 2)
    for module in unet.modules():
        if isinstance(module, LoraLinear):
            torch.nn.init.normal_(module.lora_B.weight, std=0.1)
    baked = merged(unet)
    assert not has_adapters(baked) and has_adapters(unet)
    assert (predict(baked) - predict(unet)).abs().max() < 1e-5 < (predict(unet) - before).abs().max()
    assert [name for name, _ in baked.named_parameters()] == [
        name for name, _ in new_model(options_of(params(), 1))[0].named_parameters()
    ]


def test_a_training_of_adapters_writes_them_in_diffusers_format_and_a_merged_network(tmp_path, unet):
    unet.save_pretrained(tmp_path / "pretrained" / "unet")
    given = params(unet={"init_from": str(tmp_path / "pretrained")}, lora_rank=2, unet_learning_rate=1e-2)
    run(tmp_path / "run", given)
    tensors = load_file(tmp_path / "run" / LORA_FILE)
    name = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"
    assert tensors[name].shape == (2, 16) and tensors[name.replace("lora_A", "lora_B")].shape == (16, 2)
    assert "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_B.weight" in tensors
    before, after = dict(unet.named_parameters()), weights(tmp_path / "run")
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed == {key.removeprefix("unet.").replace("lora_A.", "") for key in tensors if "lora_A" in key}
    for key in changed:
        up, down = (tensors[f"unet.{key.removesuffix('weight')}lora_{part}.weight"] for part in "BA")
        assert torch.allclose(after[key], before[key] + up @ down, atol=1e-6)
    assert weights(tmp_path / "run" / "best").keys() == after.keys()
    for folder in (tmp_path / "run", tmp_path / "run" / "best"):
        assert str(tmp_path) not in (folder / "unet" / "config.json").read_text(), "a place on this machine"
    best = load_unet(tmp_path / "run" / "best" / "unet")
    assert bake_adapters(best, tmp_path / "run" / "best" / LORA_FILE) == 0, "an export must not add them again"


def test_a_training_of_adapters_resumes_on_the_same_network_alone(tmp_path, unet):
    unet.save_pretrained(tmp_path / "pretrained" / "unet")
    given = params(unet={"init_from": str(tmp_path / "pretrained")}, lora_rank=2, checkpoint_steps=3)
    run(tmp_path / "whole", given)
    run(tmp_path / "cut", given)
    (tmp_path / "cut" / "checkpoints" / "step-00000008" / "manifest.json").unlink()
    (tmp_path / "cut" / LORA_FILE).unlink()
    run(tmp_path / "cut", given)
    assert distance(load_file(tmp_path / "cut" / LORA_FILE), load_file(tmp_path / "whole" / LORA_FILE)) == 0
    new_model(options_of(params(seed=3), 1))[0].save_pretrained(tmp_path / "pretrained" / "unet")
    with pytest.raises(StageError) as caught:
        run(tmp_path / "cut", given)
    assert [issue.option for issue in caught.value.issues] == ["hash.init_from"]
