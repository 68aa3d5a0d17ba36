"""Options of a training that cannot work are refused before any data is read."""

import pytest
import torch
from tiny_training import options_of, params

from t2i_trainer.params import Params
from t2i_trainer.stage import StageError
from t2i_trainer.training.check import precision_issues, read_options


def refused(given: Params, world: int = 1) -> list[str]:
    with pytest.raises(StageError) as caught:
        options_of(given, world)
    assert caught.value.code == "OPTION_INVALID"
    return [issue.option for issue in caught.value.issues]


def test_everything_that_this_machine_cannot_train_is_told_at_once(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    given = params(unet={"init_from": "nowhere"}, batch_size=5, precision="fp16", strategy="zero2")
    assert refused(given, 2) == ["unet.init_from", "training.batch_size", "training.precision"]


def test_a_folder_to_start_from_lies_in_the_project(tmp_path):
    (tmp_path / "sd" / "unet").mkdir(parents=True)
    (tmp_path / "sd" / "unet" / "config.json").touch()
    given = params(unet={"init_from": "sd"})
    assert read_options(tmp_path, given, 1).unet.init_from == str(tmp_path / "sd")
    assert refused(given) == ["unet.init_from"]


def test_a_batch_is_shared_evenly_or_refused():
    assert refused(params(batch_size=6, gradient_accumulation_steps=2), world=2) == ["training.batch_size"]
    options_of(params(batch_size=8, gradient_accumulation_steps=2), 2)


def test_bf16_is_refused_on_a_gpu_without_it_and_fp16_is_named():
    [issue] = precision_issues("bf16", (7, 5))
    assert issue.option == "training.precision"
    assert "fp16" in issue.expected and "7.5" in issue.received
    assert not list(precision_issues("bf16", (8, 0))) and not list(precision_issues("bf16", None))
    assert not list(precision_issues("fp16", (7, 5)))
