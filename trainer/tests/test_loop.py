"""A training learns what its options ask for, and leaves what sampling and promotion need."""

import json
import math
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from tiny_training import distance, options_of, params, run, tiny_samples, weights

from t2i_trainer.files import sha256_file
from t2i_trainer.stage import StageError
from t2i_trainer.training import run_folder
from t2i_trainer.training.learner import Learner
from t2i_trainer.training.learning_rate import learning_rate_share
from t2i_trainer.training.loop import train_diffuser
from t2i_trainer.training.samples import TensorSamples


def metrics(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("trained")
    return out, run(out, params(patience=50, ema_decay=0.5))


def test_the_run_folder_is_in_diffusers_layout_with_all_records(trained):
    out, result = trained
    unet = UNet2DConditionModel.from_pretrained(out / "unet", use_safetensors=True)
    assert distance(dict(unet.named_parameters()), weights(out)) == 0
    scheduler = DDIMScheduler.from_pretrained(out / "scheduler")
    assert (scheduler.config.timestep_spacing, scheduler.config.clip_sample) == ("leading", False)
    options = json.loads((out / "options.json").read_text())
    assert options["training"]["weight_decay"] == 0.01 and options["DDPMScheduler"]["T"] == 1000
    assert options["parameters"] == result["parameters"] and options["versions"]["torch"] == torch.__version__
    assert options["hashes"]["training_set"] == tiny_samples(8).fingerprint
    assert set(metrics(out)[0]) == {
        "step", "epoch", "train_diffuser_loss", "val_diffuser_loss", "grad_norm", "lr", "samples_per_second",
    }  # fmt: skip
    assert [(line["step"], line["epoch"]) for line in metrics(out)] == [(2, 1), (4, 2), (6, 3), (8, 4)]
    rates = [1e-3 * learning_rate_share("WarmupCosineLR", step - 1, 2, 8) for step in (2, 4, 6, 8)]
    assert [line["lr"] for line in metrics(out)] == rates
    assert result["status"] == "finished" and result["step"] == 8


def test_the_best_weights_are_kept_with_what_their_loss_depends_on(tmp_path, monkeypatch):
    measured = iter([0.5, 0.3, 0.4, math.nan])
    averages = []

    def validate(self) -> float:
        averages.append({name: p.detach().clone() for name, p in self.unet.named_parameters()})
        return next(measured)

    monkeypatch.setattr(Learner, "validate", validate)
    result = run(tmp_path)
    best = json.loads((tmp_path / "best" / "best.json").read_text())
    assert (best["best_val_diffuser_loss"], best["best_step"]) == (0.3, 4) == (
        result["best_val_diffuser_loss"], result["best_step"],
    )  # fmt: skip
    file = tmp_path / "best" / "unet" / run_folder.WEIGHTS
    assert best["unet_sha256"] == sha256_file(file)
    assert distance(weights(tmp_path / "best"), averages[1]) == 0
    assert best["config_hash"] == json.loads((tmp_path / "options.json").read_text())["config_hash"]
    assert best["validation"]["validation_set"] == tiny_samples(6, seed=1).fingerprint
    assert metrics(tmp_path)[-1]["val_diffuser_loss"] is None


def test_training_stops_when_validation_improves_no_more_and_stays_stopped(tmp_path, monkeypatch):
    measured = iter([0.5, 0.45, 0.3, 0.29, 0.28, 0.27])
    monkeypatch.setattr(Learner, "validate", lambda self: next(measured))
    given = {"num_epochs": 7, "min_delta": 0.1}
    result = run(tmp_path, params(patience=2, **given))
    assert (result["status"], result["step"], result["best_step"]) == ("out_of_patience", 10, 10)
    assert (tmp_path / "unet").exists()
    assert run(tmp_path, params(patience=2, **given))["step"] == 10, "nor does it begin again"
    assert run(tmp_path, params(patience=3, **given))["step"] == 12, "its patience may be lengthened"


def test_the_average_is_validated_and_written_unless_it_is_not_wanted(tmp_path):
    for use in (True, False):
        run(tmp_path / f"{use}", params(use_ema=use, unet_learning_rate=1e-2))
    assert distance(weights(tmp_path / "True"), weights(tmp_path / "False")) > 1e-5
    train, validation = zip(
        *[(metrics(tmp_path / f"{use}")[1]["train_diffuser_loss"], metrics(tmp_path / f"{use}")[1]["val_diffuser_loss"])
          for use in (True, False)], strict=True,
    )  # fmt: skip
    assert train[0] == train[1] and validation[0] != validation[1]


def test_how_often_is_validated_and_saved_does_not_change_what_is_learnt(tmp_path, trained):
    run(tmp_path, params(ema_decay=0.5, checkpoint_steps=1, validation_steps=1))
    assert distance(weights(tmp_path), weights(trained[0])) == 0
    assert [line["step"] for line in metrics(tmp_path)] == list(range(1, 9))


def test_dropout_in_the_network_resumes_too(tmp_path):
    given = params(unet={"dropout": 0.5}, max_steps=5, checkpoint_steps=2)
    run(tmp_path / "whole", given)
    run(tmp_path / "cut", given)
    (last,) = (tmp_path / "cut" / "checkpoints").glob("step-*5")
    (last / "manifest.json").unlink()
    (tmp_path / "cut" / "unet" / run_folder.WEIGHTS).unlink()
    run(tmp_path / "cut", given)
    assert distance(weights(tmp_path / "cut"), weights(tmp_path / "whole")) == 0


def test_a_loss_that_is_no_number_ends_training_before_a_checkpoint_is_written(tmp_path, monkeypatch):
    run(tmp_path, params(max_steps=2, num_epochs=4))
    step = Learner.step
    monkeypatch.setattr(Learner, "step", lambda self, *numbers: (torch.tensor(math.nan), step(self, *numbers)[1]))
    with pytest.raises(StageError, match="no number any more at step 2") as caught:
        run(tmp_path / "other")
    assert caught.value.code == "TRAINING_DIVERGED" and "unet_learning_rate" in caught.value.hint
    assert not list((tmp_path / "other").glob("checkpoints/step-*"))


def test_fp16_that_overflows_for_ever_ends_training(tmp_path, monkeypatch):
    step = Learner.step
    monkeypatch.setattr(
        Learner, "step", lambda self, *numbers: (torch.ones(()), step(self, *numbers)[1]._replace(applied=False))
    )
    with pytest.raises(StageError) as caught:
        run(tmp_path, params(num_epochs=50))
    assert caught.value.code == "TRAINING_DIVERGED" and metrics(tmp_path)[0]["train_diffuser_loss"] is None


def test_out_of_memory_names_the_batch(tmp_path, monkeypatch):
    def full(self, *_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB.\nmore")

    monkeypatch.setattr(Learner, "step", full)
    with pytest.raises(StageError) as caught:
        run(tmp_path, params(gradient_accumulation_steps=2))
    assert caught.value.code == "OUT_OF_MEMORY"
    assert "2 samples at once: training.batch_size 4 over 1 ranks and 2 accumulation steps" in caught.value.message
    assert "Tried to allocate 3 GiB." in caught.value.message and "more" not in caught.value.message
    assert "training.gradient_accumulation_steps" in caught.value.hint


def test_data_that_does_not_fit_is_refused_with_every_mistake(tmp_path):
    wide = TensorSamples(torch.zeros(3, 8, 4, 8), None, torch.zeros(3, 2, 5), torch.zeros(2, 4))
    with pytest.raises(StageError) as caught:
        train_diffuser(options_of(params(), 1), wide, tiny_samples(0), tmp_path)
    assert [(issue.option, issue.received) for issue in caught.value.issues] == [
        ("training.batch_size", "4"), ("training latents", "[8, 4, 8]"), ("training text states", "[5]"),
        ("training null state", "[2, 4]"), ("validation samples", "none"),
    ]  # fmt: skip
    assert "[4, 8, 8], by unet.in_channels and unet.image_size" in caught.value.issues[1].expected


class Notebook:
    """A tracker that keeps what it is told."""

    def __init__(self):
        self.started, self.logged = [], []

    def start(self, run, options):
        self.started.append(run)
        return run or "run 7"

    def log(self, step, figures):
        self.logged.append((step, figures["val_diffuser_loss"]))


def test_a_tracker_goes_on_with_its_run_when_training_is_resumed(tmp_path):
    notebook = Notebook()
    run(tmp_path, tracker=notebook)
    assert notebook.logged == [(line["step"], line["val_diffuser_loss"]) for line in metrics(tmp_path)]
    run(tmp_path, tracker=notebook)
    assert notebook.started == [None, "run 7"]


def test_progress_is_told_in_samples_with_the_loss(tmp_path, capsys):
    run(tmp_path)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[-1]["what"], events[-1]["done"], events[-1]["total"], events[-1]["left"]) == ("training", 32, 32, 0)
    assert 0 < events[-1]["figures"]["loss"] < 3


def test_lines_of_a_killed_run_are_dropped_when_it_is_resumed(tmp_path):
    run(tmp_path, params(max_steps=6))
    expected = metrics(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as lines:
        lines.write(json.dumps({**expected[-1], "step": 7}) + '\n{"step": 8, "ep')
    run(tmp_path, params(max_steps=6))
    assert metrics(tmp_path) == expected
