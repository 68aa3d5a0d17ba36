"""The tiny run trains from data to denoiser, its losses fall, and a stopped run ends with the weights of one never
stopped."""

import json

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel

from t2i_trainer.denoiser import min_snr_weights, new_unet, stratified_timesteps, target_of, validation_draws
from t2i_trainer.latents import LatentSet
from t2i_trainer.sampling import Run, generate
from t2i_trainer.sketch import Sketch, SketchUNet, unet_class
from t2i_trainer.training import Ema, EpochSampler, learning_rate, load_checkpoint
from train import start_from, train
from train_sketch import load_sketch
from train_vae import train_vae

TINY = {"batch": 16, "channels": (32, 64), "layers": 1, "lr": 2e-3, "warmup": 5, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def trained(tiny_run):
    sketch = tiny_run / "sketch"
    train(tiny_run / "data", tiny_run / "val", tiny_run, sketch=sketch, steps=120, checkpoint_every=30, **TINY)
    return tiny_run


def test_validation_loss_falls_and_the_record_is_kept(trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [30, 60, 90, 120]
    assert lines[-1]["val_loss"] < 0.8 * lines[0]["val_loss"]
    options = json.loads((trained / "options.json").read_text())
    assert options["steps"] == 120 and options["prediction"] == "v_prediction" and options["parameters"] > 100_000


def test_the_run_folder_makes_pictures_that_depend_on_prompt_and_seed(trained):
    run = Run.load(trained)
    red, again, blue, other = generate(
        run,
        ["an apple, red background", "an apple, red background", "a star on blue", "an apple, red background"],
        [0, 0, 0, 1],
        steps=4,
    )
    assert red.shape == (64, 64, 3)
    assert (red == again).all()
    assert (red != blue).any() and (red != other).any()
    alone = generate(run, ["an apple, red background"], [1], steps=4)[0]
    assert np.abs(alone.astype(int) - other).max() <= 1


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(tiny_run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tiny_run / "data", tiny_run / "val", whole, steps=14, checkpoint_every=7, **TINY)
    train(tiny_run / "data", tiny_run / "val", parts, steps=14, checkpoint_every=100, stop_after=5, **TINY)
    assert load_checkpoint(parts / "checkpoint.pt")["step"] == 5
    train(tiny_run / "data", tiny_run / "val", parts, steps=14, checkpoint_every=7, **TINY)
    first, second = (load_checkpoint(folder / "checkpoint.pt") for folder in (whole, parts))
    for part in ("model", "ema"):
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])


def test_the_autoencoder_resumes_to_the_same_weights(tiny_run, tmp_path):
    options = {"batch": 8, "channels": (16, 32)}
    whole = train_vae(tiny_run / "data", tmp_path / "whole", steps=8, checkpoint_every=100, **options)
    train_vae(tiny_run / "data", tmp_path / "parts", steps=8, checkpoint_every=4, **options)
    state = load_checkpoint(tmp_path / "parts/checkpoint.pt")
    assert all(torch.equal(tensor, state["ema"][name]) for name, tensor in whole.state_dict().items())
    losses = json.loads((tiny_run / "vae/training.json").read_text())
    assert losses["psnr_db"] > 8


def test_the_sketch_learns_the_mean_picture_of_a_caption(tiny_run):
    latents, states = LatentSet(tiny_run / "data").batch(torch.arange(96))
    sketch = Sketch(states.shape[-1], latents.shape[1], latents.shape[-1])
    sketch.load_state_dict(load_sketch(tiny_run / "sketch"))
    with torch.no_grad():
        error = (sketch(states) - latents).square().mean().item()
    mean_alone = (latents - latents.mean(0)).square().mean().item()
    assert error < 0.5 * mean_alone


def test_the_sketch_stays_as_it_was_trained_and_is_saved_with_the_denoiser(trained):
    unet = SketchUNet.from_pretrained(trained / "unet")
    wanted = load_sketch(trained / "sketch")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in unet.sketch.state_dict().items())
    assert unet_class(trained / "unet") is SketchUNet
    assert unet.config.in_channels == 4 and unet.conv_in.weight.shape[1] == 8


def test_the_denoiser_sees_the_sketch_and_stretches_it(trained):
    unet = SketchUNet.from_pretrained(trained / "unet").eval()
    states = LatentSet(trained / "data").states[1:2].float()
    sample, t = torch.randn(1, 4, 8, 8), torch.tensor([900])
    with torch.no_grad():
        seen = unet(sample, t, states).sample
        assert unet(torch.randn(1, 4, 16, 12), t, states).sample.shape == (1, 4, 16, 12)
        unet.sketch.layers[-1].bias += 1
        assert not torch.allclose(unet(sample, t, states).sample, seen, atol=1e-3)


def test_starting_from_weights_of_fewer_inputs_gives_the_same_output_at_first(tiny_run, tmp_path):
    plain = UNet2DConditionModel(**dict(new_unet((32, 64), 1, 32, 4, 8).config))
    plain.save_pretrained(tmp_path)
    unet = new_unet((32, 64), 1, 32, 4, 8)
    start_from(unet, tmp_path)
    sample, t, states = torch.randn(2, 4, 8, 8), torch.tensor([100, 900]), torch.randn(2, 5, 32)
    with torch.no_grad():
        assert torch.allclose(unet(sample, t, states).sample, plain(sample, t, states).sample, atol=1e-5)


def test_latents_have_unit_spread(tiny_run):
    spread = LatentSet(tiny_run / "data").latents.float().std().item()
    assert 0.8 < spread < 1.25


def test_dropped_captions_see_the_empty_one(tiny_run):
    data = LatentSet(tiny_run / "data")
    indices = torch.arange(4)
    _, states = data.batch(indices, torch.tensor([True, False, True, False]))
    assert torch.equal(states[0], data.states[0].float()) and torch.equal(states[2], data.states[0].float())
    assert torch.equal(states[1], data.states[data.rows[1]].float()) and not torch.equal(states[1], states[0])


def test_learning_rate_warms_up_stays_and_falls_to_zero():
    rates = [learning_rate(step, 1.0, 10, 100, 0.2) for step in range(101)]
    assert rates[0] == 0.1 and rates[9] == 1 and rates[50] == 1 and rates[80] == 1
    assert rates[90] == 0.5 and rates[100] == 0


def test_every_epoch_is_a_permutation_and_depends_on_the_seed():
    sampler = EpochSampler(12, 4, 1)
    first = np.concatenate([sampler.indices(step) for step in range(3)])
    second = np.concatenate([sampler.indices(step) for step in range(3, 6)])
    assert sorted(first) == sorted(second) == list(range(12)) and list(first) != list(second)
    assert list(EpochSampler(12, 4, 1).indices(4)) == list(second[4:8])
    with pytest.raises(ValueError, match="--batch: expected at most the 12 samples"):
        EpochSampler(12, 13, 0)


def test_ema_warms_up():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    ema = Ema(model, 0.999)
    torch.nn.init.constant_(model.weight, 2.0)
    ema.update(model, 0)
    assert ema.weights["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_targets_and_weights(prediction):
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type=prediction)
    x, noise, t = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([10, 500, 990])
    said = target_of(scheduler, x, noise, t)
    # The scheduler, told the target, must find the clean latents again.
    ddim = DDIMScheduler.from_config(scheduler.config, clip_sample=False, thresholding=False)
    for i in range(3):
        ddim.set_timesteps(1000)
        back = ddim.step(said[i : i + 1], t[i], scheduler.add_noise(x, noise, t)[i : i + 1]).pred_original_sample
        assert torch.allclose(back, x[i : i + 1], atol=2e-2)
    snr = (scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod))[t]
    weights = min_snr_weights(scheduler, t, 5.0)
    expected = {
        "epsilon": snr.clamp_max(5) / snr,
        "v_prediction": snr.clamp_max(5) / (snr + 1),
        "sample": snr.clamp_max(5),
    }[prediction]
    assert torch.allclose(weights, expected) and weights.min() > 0


def test_timesteps_are_stratified():
    t = stratified_timesteps(20, 1000, 1.0, torch.Generator().manual_seed(0))
    assert sorted(int(value) // 50 for value in t) == list(range(20))
    noisy = stratified_timesteps(1000, 1000, 0.5, torch.Generator().manual_seed(0))
    assert (noisy >= 500).float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert list(t) != sorted(t)


def test_validation_draws_depend_on_the_items_alone():
    captions = [f"caption {i}" for i in range(40)]
    noise, t = validation_draws(captions, (4, 8, 8), 1000)
    again, same = validation_draws(captions, (4, 8, 8), 1000)
    assert torch.equal(noise, again) and torch.equal(t, same)
    assert sorted(t.tolist()) == [int((i + 0.5) * 25) for i in range(40)]
    assert len({row.sum().item() for row in noise}) == 40
