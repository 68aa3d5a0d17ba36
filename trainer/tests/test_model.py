"""The denoiser of a project is the one its parameters, or the folder it starts from, describe."""

import pickle
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler
from tiny_training import TRAINING, UNET, options_of, params, resolved

from t2i_trainer.params import UnetParams
from t2i_trainer.stage import StageError
from t2i_trainer.training.model import new_model, unet_from_params
from t2i_trainer.training.options import DiffuserOptions
from t2i_trainer.training.steps import count_parameters

STABLE_DIFFUSION = UnetParams(
    image_size=(64, 64), cross_attention_dim=768, block_out_channels=(320, 640, 1280, 1280),
    down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
)  # fmt: skip


@pytest.mark.parametrize(("unet", "parameters"), [(UnetParams(), 148_345_732), (STABLE_DIFFUSION, 859_520_964)])
def test_a_network_has_the_parameters_of_the_reference(unet: UnetParams, parameters: int):
    with torch.device("meta"):
        assert count_parameters(unet_from_params(unet).parameters()) == parameters


@pytest.mark.parametrize(
    "changed",
    [{"mid_block_type": "UNetMidBlock2D"}, {"mid_block_type": None}, {"time_embedding_type": "fourier"},
     {"act_fn": "gelu"}, {"image_size": [8, 16]}, {"layers_per_block": [1, 2]}, {"attention_head_dim": [2, 4]}],
)  # fmt: skip
def test_every_kind_of_network_predicts_from_the_first_timestep_on(changed: dict):
    options = options_of(params(unet=changed), 1)
    unet, _ = new_model(options)
    latents = torch.randn(2, 4, *options.unet.image_size)
    predicted = unet(latents, torch.tensor([0, 999]), torch.randn(2, 3, 16)).sample
    assert predicted.shape == latents.shape and predicted.isfinite().all()


def test_the_seed_decides_the_weights_and_dropout_and_checkpointing_are_set():
    first, again, other = (
        new_model(options_of(params(unet={"dropout": 0.3}, seed=seed, gradient_checkpointing=True), 1))[0]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.conv_in.weight, again.conv_in.weight)
    assert not torch.equal(first.conv_in.weight, other.conv_in.weight)
    assert first.is_gradient_checkpointing and first.training
    assert first.down_blocks[0].resnets[0].dropout.p == 0.3


@pytest.fixture
def pretrained(tmp_path) -> Path:
    unet, _ = new_model(options_of(params(seed=7), 1))
    unet.save_pretrained(tmp_path / "unet")
    PNDMScheduler(
        num_train_timesteps=500, beta_schedule="scaled_linear", beta_start=0.001, beta_end=0.01,
        prediction_type="v_prediction", skip_prk_steps=True,
    ).save_pretrained(tmp_path / "scheduler")  # fmt: skip
    return tmp_path


def test_training_starts_from_the_network_and_noise_schedule_of_a_folder(pretrained, capsys):
    options = options_of(
        resolved(
            {"unet": {"init_from": str(pretrained), "image_size": [16, 16], "dropout": 0.25}, "training": TRAINING}
        )
    )
    unet, schedule = new_model(options)
    stored, _ = new_model(options_of(params(seed=7), 1))
    assert torch.equal(unet.conv_in.weight, stored.conv_in.weight)
    assert list(unet.config.block_out_channels) == UNET["block_out_channels"]
    assert unet.config.sample_size == (16, 16) and unet.training
    assert unet.down_blocks[0].resnets[0].dropout.p == 0.25
    assert (schedule.config.num_train_timesteps, schedule.config.prediction_type) == (500, "v_prediction")
    assert torch.equal(
        schedule.alphas_cumprod, DDIMScheduler.from_pretrained(pretrained, subfolder="scheduler").alphas_cumprod
    )
    assert capsys.readouterr().out == "", "defaults that the folder decides otherwise are no contradiction"


def test_options_that_the_folder_decides_otherwise_are_warned_of(pretrained, capsys):
    given = {"init_from": str(pretrained), "layers_per_block": 3, "block_out_channels": UNET["block_out_channels"]}
    new_model(options_of(resolved({"unet": given, "DDPMScheduler": {"T": 100}, "training": TRAINING})))
    warnings = capsys.readouterr().out
    assert "unet.layers_per_block: 1 of unet.init_from is used, not 3" in warnings
    assert "DDPMScheduler.T: 500" in warnings and "block_out_channels" not in warnings


def test_a_folder_without_a_schedule_takes_that_of_the_options(pretrained):
    (pretrained / "scheduler" / "scheduler_config.json").unlink()
    options = options_of(
        resolved({"unet": {"init_from": str(pretrained)}, "DDPMScheduler": {"T": 100}, "training": TRAINING})
    )
    assert new_model(options)[1].config.num_train_timesteps == 100


class Hostile:
    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_weights_that_would_run_code_are_not_read(pretrained, tmp_path):
    (pretrained / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    made = tmp_path / "made"
    file = pretrained / "unet" / "diffusion_pytorch_model.bin"
    harmless, _ = new_model(options_of(params(), 1))
    for write in (
        lambda: file.write_bytes(pickle.dumps(Hostile(str(made)))),
        lambda: torch.save(harmless.state_dict(), file),
    ):
        write()
        with pytest.raises(StageError, match="cannot be read") as caught:
            new_model(DiffuserOptions(unet=UnetParams(init_from=str(pretrained))))
        assert caught.value.code == "MODEL_INVALID" and not made.exists()
