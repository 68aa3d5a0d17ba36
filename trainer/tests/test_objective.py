"""Each option of the objective changes what is learnt as its formula says."""

import dataclasses

import pytest
import torch
from tiny_training import options_of, params, tiny_samples

from t2i_trainer.networks.denoiser import min_snr_weights, target_of
from t2i_trainer.params import DDPMSchedulerParams, TrainingParams
from t2i_trainer.training.model import new_schedule
from t2i_trainer.training.objective import Draws, draw, training_loss
from t2i_trainer.training.samples import Batch

CPU = torch.device("cpu")
DRAWS = draw(0, 5, 6, (4, 8, 8), 1000, CPU)
SAMPLES = tiny_samples(6, std=True)
BATCH = SAMPLES.batch(range(6))
EPSILON = DDPMSchedulerParams()


class Recorder:
    """A network that predicts zeros and keeps what it was given."""

    def __call__(self, noisy, timesteps, text):
        self.noisy, self.timesteps, self.text = noisy, timesteps, text
        return torch.zeros_like(noisy)


def loss_of(batch: Batch = BATCH, schedule: DDPMSchedulerParams = EPSILON, **options) -> tuple[Recorder, float]:
    network = Recorder()
    training = TrainingParams(**{"caption_dropout": 0.0, **options})
    return network, training_loss(network, new_schedule(schedule), training, batch, SAMPLES.null, DRAWS).item()


def test_draws_depend_on_seed_and_step_and_a_rank_takes_its_rows():
    again, other, seeded = (draw(seed, step, 6, (4, 8, 8), 1000, CPU) for seed, step in ((0, 5), (0, 6), (1, 5)))
    for field in dataclasses.fields(Draws):
        mine = getattr(DRAWS, field.name)
        assert torch.equal(mine, getattr(again, field.name)) and torch.equal(
            mine[2:4], getattr(DRAWS.rows(slice(2, 4)), field.name)
        )
        assert not torch.equal(mine, getattr(other, field.name)) and not torch.equal(mine, getattr(seeded, field.name))
    many = draw(0, 0, 4000, (1, 1, 1), 10, CPU)
    assert many.timesteps.bincount().tolist() == pytest.approx([400] * 10, rel=0.2), "0..T-1, each as likely"


def test_latents_are_drawn_where_their_deviation_is_known():
    drawn = BATCH.mean + BATCH.std * DRAWS.posterior
    for batch, latents in ((BATCH, drawn), (BATCH._replace(std=None), BATCH.mean)):
        network, _ = loss_of(batch)
        expected = new_schedule(DDPMSchedulerParams()).add_noise(latents, DRAWS.noise, DRAWS.timesteps)
        assert torch.equal(network.noisy, expected)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_target_is_that_of_the_prediction_type(prediction: str):
    schedule = DDPMSchedulerParams(prediction_type=prediction)
    target = target_of(new_schedule(schedule), BATCH.mean, DRAWS.noise, DRAWS.timesteps)
    _, loss = loss_of(BATCH._replace(std=None), schedule)
    assert loss == pytest.approx(target.square().mean().item(), rel=1e-5)


def test_dropped_captions_become_the_null_state_each_sample_for_itself():
    network, _ = loss_of(caption_dropout=0.5)
    dropped = DRAWS.dropout < 0.5
    assert 0 < dropped.sum() < 6
    for row in range(6):
        assert torch.equal(network.text[row], SAMPLES.null if dropped[row] else BATCH.text[row])
    assert torch.equal(loss_of(caption_dropout=1.0)[0].text, SAMPLES.null.expand(6, -1, -1))
    assert torch.equal(loss_of(caption_dropout=0.0)[0].text, BATCH.text)


def test_a_tenth_of_the_captions_is_dropped_unless_asked_otherwise():
    assert options_of(params(), 1).training.caption_dropout == 0.1


def test_noise_offset_shifts_whole_channels_of_input_and_target():
    network, loss = loss_of(BATCH._replace(std=None), noise_offset=0.5)
    noise = DRAWS.noise + 0.5 * DRAWS.offset
    assert torch.equal(network.noisy, new_schedule(DDPMSchedulerParams()).add_noise(BATCH.mean, noise, DRAWS.timesteps))
    assert loss == pytest.approx(noise.square().mean().item(), rel=1e-5)


def test_input_perturbation_changes_the_input_alone():
    network, loss = loss_of(BATCH._replace(std=None), input_perturbation=0.5)
    noise = DRAWS.noise + 0.5 * DRAWS.perturbation
    assert torch.equal(network.noisy, new_schedule(DDPMSchedulerParams()).add_noise(BATCH.mean, noise, DRAWS.timesteps))
    assert loss == pytest.approx(DRAWS.noise.square().mean().item(), rel=1e-5)


def test_min_snr_weighs_each_sample_by_its_timestep():
    scheduler = new_schedule(DDPMSchedulerParams())
    each = DRAWS.noise.square().mean((1, 2, 3)) * min_snr_weights(scheduler, DRAWS.timesteps, 5.0)
    assert loss_of(snr_gamma=5.0)[1] == pytest.approx(each.mean().item(), rel=1e-5)
    assert loss_of()[1] == pytest.approx(DRAWS.noise.square().mean().item(), rel=1e-5), "off where not asked for"


def test_zero_terminal_snr_leaves_no_signal_at_the_last_timestep():
    rescaled = new_schedule(DDPMSchedulerParams(rescale_betas_zero_snr=True, prediction_type="v_prediction"))
    linear = new_schedule(DDPMSchedulerParams(beta_schedule="linear"))
    assert rescaled.alphas_cumprod[-1] < 1e-6 < linear.alphas_cumprod[-1]
