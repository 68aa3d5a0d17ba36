"""What the networks are asked for, and how far from it they are."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from t2i_trainer.emoji.train_autoencoder import latent_noise, reconstruction_loss
from t2i_trainer.emoji.train_text import GROUP, HardBatches
from t2i_trainer.networks.contrast import TextHead, contrastive_loss
from t2i_trainer.networks.denoiser import (
    clean_latents,
    draw_timesteps,
    min_snr_weights,
    new_scheduler,
    sampling_scheduler,
    target_of,
    validation_noise,
)
from t2i_trainer.networks.text_encoder import CONTEXT, END


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
    assert torch.allclose(clean_latents(scheduler, scheduler.add_noise(x, noise, t), said, t), x, atol=2e-2)
    snr = (scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod))[t]
    weights = min_snr_weights(scheduler, t, 5.0)
    expected = {
        "epsilon": snr.clamp_max(5) / snr,
        "v_prediction": snr.clamp_max(5) / (snr + 1),
        "sample": snr.clamp_max(5),
    }[prediction]
    assert torch.allclose(weights, expected) and weights.min() > 0


def test_timesteps_are_stratified_and_mostly_noisy():
    even = draw_timesteps(20, 1000, 1.0, torch.Generator().manual_seed(0))
    assert sorted(int(value) // 50 for value in even) == list(range(20)) and list(even) != sorted(even)
    noisy = draw_timesteps(1000, 1000, 0.0, torch.Generator().manual_seed(0))
    # Half of a logit-normal law of mean 1 lies above sigmoid(1).
    assert (noisy >= 731).float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert noisy.min() >= 0 and noisy.max() <= 999
    mixed = draw_timesteps(1000, 1000, 0.2, torch.Generator().manual_seed(0))
    assert (mixed >= 731).float().mean().item() == pytest.approx(0.8 * 0.5 + 0.2 * 0.269, abs=0.01)


def test_validation_noise_depends_on_the_items_alone():
    captions = [f"caption {i}" for i in range(40)]
    noise = validation_noise(captions, (4, 8, 8))
    assert torch.equal(noise, validation_noise(captions, (4, 8, 8)))
    assert torch.equal(noise[:20], validation_noise(captions[:20], (4, 8, 8)))
    assert len({row.sum().item() for row in noise}) == 40
    same = validation_noise(["one", "one", "two"], (4,))
    assert not torch.equal(same[0], same[1]), "each place has its own"
    assert not torch.equal(same[1], validation_noise(["one", "two"], (4,))[1]), "and each caption"


def test_the_noise_on_latents_differs_in_size_and_is_at_most_a_fifth():
    sizes = latent_noise((64, 4, 16, 16), torch.Generator().manual_seed(1)).flatten(1).std(1)
    assert sizes.max() < 0.22 and sizes.min() < 0.03 and sizes.mean().item() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("prediction", "timesteps"),
    [
        ("v_prediction", [999, 749, 499, 249]),
        ("sample", [999, 749, 499, 249]),
        # Of the noisiest timestep a prediction of the noise leaves nothing to tell the image by.
        ("epsilon", [751, 501, 251, 1]),
    ],
)
def test_sampling_goes_the_way_of_training_from_noise_to_none(prediction, timesteps):
    training = new_scheduler(prediction)
    sampling = sampling_scheduler(training)
    assert torch.equal(sampling.alphas_cumprod, training.alphas_cumprod)
    assert sampling.config.prediction_type == prediction and not sampling.config.clip_sample
    sampling.set_timesteps(4)
    assert sampling.timesteps.tolist() == timesteps
    assert sampling.final_alpha_cumprod == training.alphas_cumprod[0]


def test_a_reconstruction_is_judged_by_its_values_and_its_edges():
    want = torch.zeros(1, 3, 4, 4)
    assert reconstruction_loss(want, want) == 0
    assert reconstruction_loss(want + 2, want).item() == pytest.approx(2 + 4), "no edge differs"
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0])
    for lines in (stripes.expand(1, 3, 4, 4), stripes[:, None].expand(1, 3, 4, 4)):
        assert reconstruction_loss(lines, want).item() == pytest.approx(0.5 + 0.5 + 0.5 * 1)


def test_pairs_are_told_from_mismatches_in_both_directions():
    text, images = torch.eye(3), torch.eye(3)
    right = contrastive_loss(text, images, torch.tensor(10.0))
    assert right < 1e-3 < contrastive_loss(text, images[[1, 2, 0]], torch.tensor(10.0))
    # Two texts that say the same: each image has its text, but not each text its image.
    alike, scale = torch.eye(3)[[0, 0, 2]], torch.tensor(2.0)
    loss = contrastive_loss(alike, images, scale)
    assert loss.item() == pytest.approx(contrastive_loss(images, alike, scale).item())
    logits, target = scale * alike @ images.T, torch.arange(3)
    directions = [torch.nn.functional.cross_entropy(each, target) for each in (logits, logits.T)]
    assert directions[0] != directions[1] and loss.item() == pytest.approx(sum(directions).item() / 2)


def test_what_stands_behind_the_end_of_a_text_says_nothing():
    head = TextHead(4, 3)
    ids = torch.full((1, CONTEXT), END)
    ids[0, :3] = torch.tensor([49406, 5, 6])
    states = torch.randn(1, CONTEXT, 4, generator=torch.Generator().manual_seed(0))
    seen = head(states, ids)
    assert seen.norm().item() == pytest.approx(1)
    for place, counts in ((0, True), (2, True), (3, True), (4, False)):
        changed = states.clone()
        changed[0, place] += 1
        assert torch.allclose(head(changed, ids), seen) != counts, f"place {place}"
    with torch.no_grad():
        head.project.weight[:, :4] = 0
    changed = states.clone()
    changed[0, 3] += 1
    assert not torch.allclose(head(changed, ids), head(states, ids)), "the end counts in the mean too"


def test_half_of_a_batch_are_groups_of_one_thing():
    samples = [{"placements": [{"concept": i % 7}]} for i in range(100)]
    batches = HardBatches(samples, 64, 3)
    chosen = batches.indices(2)
    assert len(chosen) == 64 and len(set(chosen[:32])) == 32
    for group in np.split(chosen[32:], 32 // GROUP):
        assert len({samples[i]["placements"][0]["concept"] for i in group}) == 1
    assert len({samples[i]["placements"][0]["concept"] for i in chosen[32:]}) == 32 // GROUP
    assert np.array_equal(chosen, HardBatches(samples, 64, 3).indices(2))
    assert not np.array_equal(chosen, batches.indices(1))
