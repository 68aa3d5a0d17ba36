"""The stage `train_vae_model`: an autoencoder learns a project's images, and any interruption is made good."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from tiny_project import write_images, write_models
from tiny_training import distance, ended, forked, resolved

from stages.train_vae_model import train_vae_model
from t2i_trainer.data.autoencoder import FrozenAutoencoder
from t2i_trainer.data.latents import load_pixels
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.split import split
from t2i_trainer.files import sha256_file
from t2i_trainer.params import Params
from t2i_trainer.stage import StageError
from t2i_trainer.training import run_state
from t2i_trainer.training.strategies import Stepped
from t2i_trainer.training.strategies.single import Single
from t2i_trainer.training.vae.images import PixelBatches, Pixels
from t2i_trainer.training.vae.loss import KL_WEIGHT, Losses, autoencoder_losses

STEPS = 6


@pytest.fixture
def project(tmp_path) -> Path:
    return new_project(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    """A training that nothing disturbed, and what it told."""
    project = new_project(tmp_path_factory.mktemp("trained"))
    return project, train_vae_model(project, params())


def new_project(folder: Path) -> Path:
    write_images(DataFolder(folder / "data/raw/dataset"), count=12, size=(32, 32))
    write_models(folder / "models")
    return folder


def params(data: dict | None = None, vae: dict | None = None, **training: object) -> Params:
    sections = {
        "data": {
            "raw": "data/raw/dataset", "train_size": 8, "val_size": 4, "flip": False, "num_workers": 0, **(data or {}),
        },
        "vae": {
            "model": "models/vae", "image_size": [16, 16], "learning_rate": 2e-3, "num_epochs": 3, **(vae or {}),
        },
        "training": {
            "batch_size": 4, "gradient_accumulation_steps": 1, "gradient_checkpointing": False,
            "gradient_clipping": 0.5, "checkpoint_steps": 500, "seed": 0, "precision": "fp32", **training,
        },
        "mlflow": {"run_name": "mine"},
    }  # fmt: skip
    return resolved(sections)


def weights(project: Path) -> dict[str, torch.Tensor]:
    return load_file(project / "runs/mine-vae/vae/diffusion_pytorch_model.safetensors")


def lines(project: Path) -> list[dict]:
    found = [json.loads(line) for line in (project / "runs/mine-vae/metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "samples_per_second"} for line in found]


def check_same(project: Path, trained: Path) -> None:
    assert distance(weights(project), weights(trained)) == 0
    assert lines(project) == lines(trained)


def test_the_loss_falls_on_images_that_are_not_trained_on(trained):
    project, told = trained
    epochs = lines(project)
    assert [line["step"] for line in epochs] == [0, 2, 4, 6] and epochs[0]["train_vae_loss"] is None
    assert epochs[-1]["val_vae_loss"] < 0.9 * epochs[0]["val_vae_loss"]
    assert epochs[-1]["train_vae_loss"] < epochs[1]["train_vae_loss"]
    last = epochs[-1]
    assert last["val_vae_loss"] == pytest.approx(last["val_l1"] + last["val_mse"] + KL_WEIGHT * last["val_kl"])
    best = min(line["val_vae_loss"] for line in epochs)
    assert told == {
        "status": "finished", "step": STEPS, "steps": STEPS, "best_val_vae_loss": best, "best_step": 6,
        "run": "runs/mine-vae",
    }  # fmt: skip


def test_what_it_leaves_loads_in_diffusers_with_a_record_of_what_it_was_measured_on(trained):
    project, told = trained
    run = project / "runs/mine-vae"
    record, options = json.loads((run / "vae.json").read_text()), json.loads((run / "options.json").read_text())
    assert record["best_val_vae_loss"] == told["best_val_vae_loss"] and record["config_hash"] == options["config_hash"]
    assert {name: file["sha256"] for name, file in record["files"].items()} == {
        path.name: sha256_file(path) for path in (run / "vae").iterdir()
    }
    assert [line["val_vae_loss"] for line in record["losses"]] == [line["val_vae_loss"] for line in lines(project)]
    assert (record["validation"]["items"], record["validation"]["image_size"]) == (4, [16, 16])
    model = AutoencoderKL.from_pretrained(run / "vae", use_safetensors=True)
    assert model.config.shift_factor == 0.125, "as before"
    assert str(project) not in (run / "vae/config.json").read_text()


def test_encoder_and_decoder_are_trained_and_no_file_of_the_project_is_changed(project):
    before = {path: sha256_file(path) for path in project.rglob("*") if path.is_file()}
    train_vae_model(project, params())
    assert {path: sha256_file(path) for path in before} == before
    old, new = load_file(project / "models/vae/diffusion_pytorch_model.safetensors"), weights(project)
    assert old.keys() == new.keys()
    assert {name.split(".")[0] for name in new if not torch.equal(old[name], new[name])} == {
        "encoder", "decoder", "quant_conv", "post_quant_conv",
    }  # fmt: skip


def test_weights_that_training_made_worse_are_not_kept(project):
    told = train_vae_model(project, params(vae={"learning_rate": 0.9}))
    assert told["best_step"] == 0
    assert distance(weights(project), load_file(project / "models/vae/diffusion_pytorch_model.safetensors")) == 0
    assert json.loads((project / "runs/mine-vae/vae/config.json").read_text())["scaling_factor"] == 0.5


def test_latents_of_the_training_images_have_unit_deviation(trained):
    project, _ = trained
    autoencoder = FrozenAutoencoder("runs/mine-vae/vae", (16, 16), project)
    data = DataFolder(project / "data/raw/dataset")
    files = {sample.stem: sample.image for sample in data.samples()}
    images = [files[stem] for stem in split(list(files), 8, 4)[0]]
    mean, std = autoencoder.encode(torch.stack([load_pixels(image, (16, 16)) for image in images]))
    draws = torch.Generator().manual_seed(0)
    latents = torch.cat([mean + std * torch.randn(std.shape, generator=draws) for _ in range(200)])
    assert latents.std().item() == pytest.approx(1, rel=0.01)
    assert abs(autoencoder.scaling_factor / 0.5 - 1) > 0.05, "which is not the factor from before"
    assert json.loads((project / "runs/mine-vae/vae.json").read_text())["scaling_factor"] == autoencoder.scaling_factor


def test_the_divergence_is_that_of_diffusers_and_counts_for_a_millionth(project):
    model = AutoencoderKL.from_pretrained(project / "models/vae")
    pixels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        losses = autoencoder_losses(model, pixels, None)
        distribution = model.encode(pixels / 127.5 - 1).latent_dist
        error = model.decode(distribution.mode()).sample - (pixels / 127.5 - 1)
        other = autoencoder_losses(model, pixels, torch.ones_like(distribution.mean))
    assert torch.allclose(losses.kl, distribution.kl() / (3 * 16 * 16))
    assert torch.allclose(losses.total(), error.abs().mean((1, 2, 3)) + (error**2).mean((1, 2, 3)) + 1e-6 * losses.kl)
    assert not torch.equal(losses.l1, other.l1), "noise chooses other latents"
    assert Losses(torch.zeros(1), torch.zeros(1), torch.ones(1)).total().item() == pytest.approx(1e-6)


def test_each_step_and_each_image_has_noise_of_its_own(project, monkeypatch):
    drawn = []

    def losses(model, pixels, noise):
        drawn.extend([] if noise is None else noise)
        return autoencoder_losses(model, pixels, noise)

    monkeypatch.setattr("t2i_trainer.training.vae.run.autoencoder_losses", losses)
    train_vae_model(project, params())
    assert len(drawn) == STEPS * 4 == len({noise.sum().item() for noise in drawn})


def killed_at_step(project: Path, count: int, given: dict) -> int:
    """Trains in another process that is killed in the `count`-th step; how that process ended."""
    step, calls = Single.step, iter(range(1, 100))

    def counted(self, rate: float):
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, rate)

    def work() -> None:
        Single.step = counted
        train_vae_model(project, given)

    return ended(forked(work))


def test_a_training_that_was_killed_resumes_as_if_it_had_not_been(project, trained):
    for count in (1, 2, 5):
        assert killed_at_step(project, count, params(checkpoint_steps=1)) == -signal.SIGKILL
    assert not (project / "runs/mine-vae/vae.json").exists(), "what has not ended is not taken for it"
    train_vae_model(project, params(checkpoint_steps=1))
    check_same(project, trained[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_training_with_a_checkpoint_and_it_resumes(project, trained, monkeypatch, capsys, number):
    step = Single.step

    def stopping(self, rate: float):
        signal.raise_signal(number)
        signal.raise_signal(number)
        return step(self, rate)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Single, "step", stopping)
        told = train_vae_model(project, params())
    assert (told["status"], told["step"]) == ("stopped", 1) and signal.getsignal(number) is before
    assert (project / "runs/mine-vae/checkpoints/latest").read_text() == "step-00000001\n"
    assert "stopped after step 1 of 6; the same command resumes" in capsys.readouterr().out
    assert train_vae_model(project, params())["status"] == "finished"
    check_same(project, trained[0])
    assert train_vae_model(project, params())["step"] == STEPS, "nor does it begin again"
    check_same(project, trained[0])


def test_batches_that_other_processes_load_teach_the_same(project, trained):
    train_vae_model(project, params(data={"num_workers": 2}))
    check_same(project, trained[0])


def test_a_batch_in_parts_teaches_the_same(project, trained):
    train_vae_model(project, params(gradient_accumulation_steps=2, gradient_checkpointing=True))
    # Not the weights: Adam moves those that change nothing, biases before a norm, by the sign of a rounding error.
    assert lines(project)[1:] == [pytest.approx(line, rel=1e-3) for line in lines(trained[0])[1:]]


def test_half_of_the_images_are_mirrored_where_that_is_asked_for(project):
    pixels = Pixels(DataFolder(project / "data/raw/dataset").image_files(), (16, 16))
    plain, mirrored = [
        torch.cat([PixelBatches(pixels, 4, 0, flip)[step] for step in range(30)]) for flip in (False, True)
    ]
    same = (plain == mirrored).all(-1).all(-1).all(-1)
    assert torch.equal(plain.flip(-1)[~same], mirrored[~same])
    assert 40 < same.sum().item() < 80, "of 120"


def test_bf16_is_of_the_passes_alone(project, trained):
    train_vae_model(project, params(precision="bf16"))
    assert json.loads((project / "runs/mine-vae/options.json").read_text())["vae"]["precision"] == "bf16"
    assert distance(weights(project), weights(trained[0])) > 1e-5
    assert all(tensor.dtype == torch.float32 for tensor in weights(project).values())


def test_fp16_in_which_an_autoencoder_overflows_becomes_fp32_with_a_warning(project, trained, capsys):
    train_vae_model(project, params(precision="fp16"))
    assert "it is trained in fp32" in capsys.readouterr().out
    check_same(project, trained[0])


def test_a_checkpoint_of_other_options_or_images_is_refused_with_all_that_differs(project):
    train_vae_model(project, params())
    kept = {path: sha256_file(path) for path in (project / "runs").rglob("*") if path.is_file()}
    write_images(DataFolder(project / "data/raw/dataset"), count=12, size=(33, 32))
    with pytest.raises(StageError) as caught:
        train_vae_model(project, params(vae={"learning_rate": 1e-3}, seed=5))
    assert {issue.option for issue in caught.value.issues} == {
        "vae.learning_rate", "training.seed", "hash.training_set", "hash.validation_set",
    }  # fmt: skip
    assert {path: sha256_file(path) for path in kept} == kept


def test_every_image_that_cannot_be_read_is_told_before_training(project):
    images = sorted((project / "data/raw/dataset/images").iterdir())
    for image in images[:2]:
        image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(StageError, match="2 images cannot be read") as caught:
        train_vae_model(project, params())
    assert {issue.option for issue in caught.value.issues} == {f"images/{image.name}" for image in images[:2]}
    assert not (project / "runs").exists()


@pytest.mark.parametrize(("checkpoint_steps", "found"), [(500, 2), (1, 1)])
def test_a_loss_that_is_no_number_ends_training_before_a_checkpoint_is_written(
    project, monkeypatch, checkpoint_steps: int, found: int
):
    monkeypatch.setattr(run_state, "save", lambda *_: pytest.fail("saved"))
    monkeypatch.setattr(Single, "backward", lambda self, loss, last: loss().detach() * float("nan"))
    monkeypatch.setattr(Single, "step", lambda self, rate: Stepped(True, torch.zeros(())))
    with pytest.raises(StageError, match=f"no number any more at step {found}") as caught:
        train_vae_model(project, params(checkpoint_steps=checkpoint_steps))
    assert caught.value.code == "TRAINING_DIVERGED" and "vae.learning_rate" in caught.value.hint
