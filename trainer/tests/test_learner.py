"""A step learns what its options ask for, and only the network learns."""

import pytest
import torch
from tiny_training import distance, options_of, params, tiny_samples

from t2i_trainer.training.learner import Learner
from t2i_trainer.training.samples import TensorSamples
from t2i_trainer.training.strategies.single import Single


def learner(given: dict | None = None, samples=None) -> Learner:
    options = options_of(given or params(), 1)
    return Learner(options, samples or tiny_samples(8), tiny_samples(6, seed=1), Single())


def test_eight_latents_are_learnt_by_heart():
    given = params(batch_size=8, num_epochs=60, warmup_steps=1, unet_learning_rate=1e-2, caption_dropout=0.0)
    options = options_of(given, 1)
    taught = Learner(options, tiny_samples(8), tiny_samples(8), Single())
    before = taught.validate()
    losses = [taught.step(step, step)[0].item() for step in range(60)]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10]) and taught.validate() < 0.8 * before


def learnt(**training) -> dict[str, torch.Tensor]:
    """The average after all steps."""
    taught = learner(params(**{"ema_decay": 0.5, "max_steps": 4, **training}))
    for step in range(taught.steps):
        taught.step(step, step)
    return taught.ema.weights


CHANGES = [
    {"seed": 1}, {"unet_learning_rate": 2e-3}, {"weight_decay": 0.5}, {"lr_scheduler": "WarmupLR"}, {"warmup_steps": 4},
    {"lr_scheduler": "WarmupDecayLR"}, {"gradient_clipping": 0.01}, {"caption_dropout": 0.9}, {"ema_decay": 0.1},
    {"snr_gamma": 1.0}, {"noise_offset": 0.3}, {"input_perturbation": 0.3}, {"precision": "bf16"}, {"batch_size": 8},
    {"num_epochs": 1}, {"max_steps": 3},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(map(str, next(iter(change.items())))))
def test_an_option_that_should_change_what_is_learnt_does(change: dict):
    assert distance(learnt(**change), learnt()) > 1e-6


@pytest.mark.parametrize("change", [{"gradient_checkpointing": True}, {"gradient_accumulation_steps": 4}])
def test_an_option_that_should_not_change_what_is_learnt_does_not(change: dict):
    assert distance(learnt(**change), learnt()) < 1e-5


def test_dropout_differs_between_steps_and_is_off_in_validation():
    taught = learner(params(unet={"dropout": 0.5}))
    seeds = []
    for step in range(2):
        taught.step(step, step)
        seeds.append(torch.initial_seed())
    assert seeds[0] != seeds[1]
    with taught.at_rest():
        assert taught.validate() == taught.validate()
    assert taught.unet.training


def test_only_the_network_is_trained():
    samples = tiny_samples(8, std=True)
    for tensor in (samples.mean, samples.std, samples.text, samples.null):
        tensor.requires_grad_()
    taught = learner(samples=TensorSamples(samples.mean, samples.std, samples.text, samples.null, "given"))
    before = [p.detach().clone() for p in taught.unet.parameters()]
    for step in range(3):
        taught.step(step, step)
    assert samples.text.grad is None and samples.mean.grad is None and samples.std.grad is None
    assert samples.null.grad is None
    assert all((p != old).any() for p, old in zip(taught.unet.parameters(), before, strict=True))


def test_an_overflow_in_fp16_leaves_weights_average_and_learning_rate_alone(monkeypatch):
    rates, scales = [], []
    step = Single.step

    def spying(self, rate):
        before = {name: p.detach().clone() for name, p in self.averaged.named_parameters()}
        stepped = step(self, rate)
        rates.append((rate, stepped.applied, distance(before, dict(self.averaged.named_parameters()))))
        scales.append(self.scaler.get_scale())
        return stepped

    monkeypatch.setattr(Single, "step", spying)
    taught = learner(params(precision="fp16", warmup_steps=4, num_epochs=7))
    taught.strategy.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
    applied = 0
    for number in range(14):
        average = {name: tensor.clone() for name, tensor in taught.ema.weights.items()}
        _, stepped = taught.step(number, applied)
        if not stepped.applied:
            assert distance(average, taught.ema.weights) == 0
        applied += stepped.applied
    overflowed = [moved for _, done, moved in rates if not done]
    assert overflowed and set(overflowed) == {0.0} and 0 < applied < 14
    assert [rate for rate, done, _ in rates if done] == [taught.learning_rate(number) for number in range(applied)]
    assert scales[0] == 2.0**23


def test_the_gradient_of_a_step_is_unscaled_and_forgotten_before_the_next():
    norms = {}
    for precision in ("fp32", "fp16"):
        taught = learner(params(precision=precision))
        # The learning rate of the first step is 0, so that it may be done twice with the same weights.
        norms[precision] = [taught.step(0, 0)[1].gradient_norm.item() for _ in range(2)]
    assert norms["fp32"][0] == norms["fp32"][1] == pytest.approx(norms["fp16"][0], rel=1e-2)
