"""Options of a training that cannot work are refused before any data is read."""

import dataclasses

import pytest
import torch
from tiny_training import params

from t2i_trainer.stage import StageError
from t2i_trainer.training.check import precision_issues, read_options
from t2i_trainer.training.options import ScheduleOptions, TrainingOptions, UNetOptions


def refused(given: dict, world: int = 1) -> list[str]:
    with pytest.raises(StageError) as caught:
        read_options(given, world)
    assert caught.value.code == "OPTION_INVALID"
    return [issue.option for issue in caught.value.issues]


def test_all_mistakes_of_all_sections_are_told_at_once():
    given = params({"prediction_type": "noise"}, {"norm_num_groups": 3}, batch_size=5, precision="fp8", epochs=3)
    assert refused(given) == [
        "DDPMScheduler.prediction_type", "training.precision", "training.epochs",
        "unet.block_out_channels", "unet.block_out_channels",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("unet", "option"),
    [({"down_block_types": ["DownBlock2D"]}, "unet.down_block_types"),
     ({"up_block_types": ["UpBlock2D"] * 3}, "unet.up_block_types"),
     ({"layers_per_block": [1, 1, 1]}, "unet.layers_per_block"),
     ({"attention_head_dim": [2]}, "unet.attention_head_dim"),
     ({"norm_num_groups": 16}, "unet.block_out_channels"),
     ({"out_channels": 8}, "unet.out_channels"),
     ({"image_size": [8, 7]}, "unet.image_size"),
     ({"image_size": [8]}, "unet.image_size"),
     ({"block_out_channels": []}, "unet.block_out_channels"),
     ({"init_from": "nowhere"}, "unet.init_from")],
)  # fmt: skip
def test_a_network_that_cannot_be_made_is_refused(unet: dict, option: str):
    assert refused(params(unet=unet)) == [option]


def test_pure_noise_at_the_last_timestep_needs_velocity_prediction():
    for prediction in ("epsilon", "sample"):
        schedule = {"rescale_betas_zero_snr": True, "prediction_type": prediction}
        assert refused(params(schedule)) == ["DDPMScheduler.prediction_type"]
    read_options(params({"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}), 1)


def test_betas_that_fall_are_refused():
    assert refused(params({"beta_start": 0.1, "beta_end": 0.1})) == ["DDPMScheduler.beta_end"]


def test_a_batch_is_shared_evenly_or_refused():
    assert refused(params(batch_size=6, gradient_accumulation_steps=2), world=2) == ["training.batch_size"]
    read_options(params(batch_size=8, gradient_accumulation_steps=2), 2)


@pytest.mark.parametrize(
    ("training", "world", "option"),
    [({"strategy": "single"}, 2, "training.strategy"), ({"min_delta": 0.1}, 1, "training.patience"),
     ({"lora_rank": 4}, 1, "unet.init_from"), ({"run_name": "../elsewhere"}, 1, "mlflow.run_name"),
     ({"strategy": "zero2", "precision": "fp16"}, 1, "training.precision")],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(monkeypatch, training: dict, world: int, option: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refused(params(**training), world) == [option]


def test_bf16_is_refused_on_a_gpu_without_it_and_fp16_is_named():
    [issue] = precision_issues("bf16", (7, 5))
    assert issue.option == "training.precision"
    assert "fp16" in issue.expected and "7.5" in issue.received
    assert not list(precision_issues("bf16", (8, 0))) and not list(precision_issues("bf16", None))
    assert not list(precision_issues("fp16", (7, 5)))


def test_heads_that_do_not_divide_the_channels_are_warned_of(capsys):
    read_options(params(unet={"attention_head_dim": 3}), 1)
    out = capsys.readouterr().out
    assert "3 heads do not divide 8 channels; each has 2" in out and "16 channels; each has 5" in out
    read_options(params(), 1)
    assert capsys.readouterr().out == ""


def test_every_option_has_its_help():
    for section in (UNetOptions, ScheduleOptions, TrainingOptions):
        assert all(field.metadata["help"] for field in dataclasses.fields(section))
