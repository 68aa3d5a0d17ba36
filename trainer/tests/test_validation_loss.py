"""Validation losses of one set, noise schedule and prediction type can be compared."""

import contextlib

import pytest
import torch
from tiny_training import tiny_samples

from t2i_trainer.networks.denoiser import target_of
from t2i_trainer.params import DDPMSchedulerParams
from t2i_trainer.training.model import new_schedule
from t2i_trainer.training.validation import item_seeds, item_timesteps, validate, validation_record

SCHEDULER = new_schedule(DDPMSchedulerParams())
CPU = torch.device("cpu")


def zeros(noisy, timesteps, text):
    return torch.zeros_like(noisy)


def loss(network=zeros, samples=None, batch=4, rank=0, world=1, total=lambda tensor: tensor, scheduler=SCHEDULER):
    samples = samples or tiny_samples(10, std=True)
    return validate(network, scheduler, samples, batch, CPU, rank, world, total, contextlib.nullcontext)


def test_each_item_has_its_own_timestep_and_together_they_cover_the_schedule():
    timesteps = item_timesteps(item_seeds("a", 10), 1000)
    assert sorted(timesteps.tolist()) == [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]
    assert timesteps.tolist() != sorted(timesteps.tolist()), "neighbours are not at one noise level"
    assert item_seeds("a", 3) == item_seeds("a", 10)[:3] != item_seeds("b", 3)


def test_the_loss_is_the_same_each_time_and_whatever_the_batch_is():
    assert loss() == loss()
    assert loss(batch=3) == pytest.approx(loss(batch=10), rel=1e-6)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_loss_is_the_mean_over_items_of_the_error_of_the_target(prediction: str):
    samples, scheduler = tiny_samples(10, std=True), new_schedule(DDPMSchedulerParams(prediction_type=prediction))
    seen = []
    loss(lambda noisy, t, text: seen.append((noisy, t, text)) or noisy, samples, scheduler=scheduler)
    noisy, t, text = (torch.cat(parts) for parts in zip(*seen, strict=True))
    assert torch.equal(text, samples.text), "no caption is dropped"
    alphas = scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
    noise = (noisy - alphas.sqrt() * samples.mean) / (1 - alphas).sqrt()
    expected = target_of(scheduler, samples.mean, noise, t).square().mean().item()
    assert loss(scheduler=scheduler) == pytest.approx(expected, rel=1e-3)


def test_ranks_share_the_items_and_none_counts_twice():
    sums: list[torch.Tensor] = []
    for rank in range(4):
        loss(batch=2, rank=rank, world=4, total=lambda tensor: sums.append(tensor) or tensor)
    squared, count = torch.stack(sums).sum(0).tolist()
    assert count == 10 and squared / count == pytest.approx(loss(), rel=1e-6)


def test_ranks_run_the_network_equally_often():
    runs = []
    for rank in range(4):
        calls = []
        loss(lambda noisy, t, text, calls=calls: calls.append(t) or noisy, batch=2, rank=rank, world=4)
        runs.append(len(calls))
    assert runs == [2] * 4


def test_the_record_tells_what_a_loss_depends_on():
    record = validation_record(tiny_samples(10), SCHEDULER)
    assert record["validation_set"] == tiny_samples(10).fingerprint and record["items"] == 10
    assert record["latents"] == [4, 8, 8] and record["prediction_type"] == "epsilon"
    others = [
        validation_record(tiny_samples(10, seed=1), SCHEDULER),
        validation_record(tiny_samples(10), new_schedule(DDPMSchedulerParams(prediction_type="sample"))),
        validation_record(tiny_samples(10), new_schedule(DDPMSchedulerParams(beta_schedule="linear"))),
        validation_record(tiny_samples(10), new_schedule(DDPMSchedulerParams(T=500))),
    ]
    assert all(other != record for other in others)
