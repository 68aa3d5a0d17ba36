"""What every step shares: its samples, its learning rate, how far it goes, and its random numbers."""

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from t2i_trainer.emoji.batches import Batches
from t2i_trainer.emoji.latents import SINGLE, LatentSet
from t2i_trainer.emoji.near_words import CaptionWords
from t2i_trainer.training.steps import (
    Ema,
    EpochSampler,
    autocast,
    descend,
    learning_rate,
    parameter_groups,
    step_generator,
    swapped_weights,
)


def test_every_epoch_is_a_permutation_and_depends_on_the_seed():
    sampler = EpochSampler(12, 4, 1)
    first = np.concatenate([sampler.indices(step) for step in range(3)])
    second = np.concatenate([sampler.indices(step) for step in range(3, 6)])
    assert sorted(first) == sorted(second) == list(range(12)) and list(first) != list(second)
    assert list(EpochSampler(12, 4, 1).indices(4)) == list(second[4:8])
    assert sorted(EpochSampler(12, 12, 0).indices(0)) == list(range(12)), "a batch may be all there is"
    with pytest.raises(ValueError, match="--batch: expected at most the 12 samples"):
        EpochSampler(12, 13, 0)


def test_what_is_left_of_an_epoch_is_dropped():
    sampler = EpochSampler(14, 4, 1)
    epochs = [[sampler.indices(3 * epoch + place) for place in range(3)] for epoch in range(2)]
    assert all(len(indices) == 4 for epoch in epochs for indices in epoch)
    for epoch in epochs:
        assert len(set(np.concatenate(epoch))) == 12, "no sample twice in an epoch"
    last, again = epochs[1][2], EpochSampler(14, 4, 1).indices(5)
    assert list(last) == list(again), "a run that is resumed in the middle of an epoch goes on in it"


def test_learning_rate_warms_up_stays_and_falls_to_zero():
    rates = [learning_rate(step, 1.0, 10, 100, 0.2) for step in range(101)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[10:81] == [1.0] * 71
    assert rates[81:] == pytest.approx([(100 - step) / 20 for step in range(81, 101)])
    assert learning_rate(120, 1.0, 10, 100, 0.2) == 0, "never below zero"
    assert learning_rate(0, 1.0, 0, 100, 0.2) == 1, "without a warm-up"
    assert learning_rate(99, 1.0, 10, 100, 0.0) == 1, "without a decay"


def test_norms_and_biases_do_not_decay_and_a_group_may_learn_more_slowly():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    groups = parameter_groups(model, 0.01, 0.1)
    assert [len(group["params"]) for group in groups] == [1, 3]
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    other = torch.nn.Linear(3, 1)
    optimizer = torch.optim.AdamW([*groups, *parameter_groups(other, 0.01)], lr=1.0)
    descend(optimizer, other(model(torch.ones(1, 3))).sum(), 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.05, 0.5, 0.5]


@pytest.mark.parametrize(("clip", "length"), [((0.5,), 0.5), ((), 1.0), ((None,), 5.0)])
def test_a_step_is_no_longer_than_the_clip_over_all_groups(clip, length):
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [weight]} for weight in weights], lr=1.0)
    descend(optimizer, 3 * weights[0].sum() + 4 * weights[1].sum(), 1.0, *clip)
    moved = torch.cat([weight.detach() for weight in weights])
    assert moved.norm().item() == pytest.approx(length, rel=1e-4)
    assert moved[0] / moved[1] == pytest.approx(3 / 4) and moved.max() < 0, "down the gradient"


def test_a_step_forgets_the_gradient_of_the_one_before():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for expected in (-1.0, -2.0):
        descend(optimizer, weight.sum(), 1.0, None)
        assert weight.item() == expected


def test_ema_warms_up():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    ema = Ema(model, 0.999)
    torch.nn.init.constant_(model.weight, 2.0)
    ema.update(model, 0)
    assert ema.weights["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    ema.update(model, 10**9)
    assert ema.weights["weight"].item() == pytest.approx(0.999 * 1.9 + 0.001 * 2), "afterwards it keeps the decay"
    model.weight.requires_grad_(False)
    assert Ema(model, 0.999).weights == {}, "what is frozen has no average"


def test_swapped_weights_come_back():
    model = torch.nn.Linear(2, 2)
    own = model.weight.detach().clone()
    ema = Ema(model, 0.9)
    ema.weights["weight"].zero_()
    with swapped_weights(model, ema.weights):
        assert (model.weight == 0).all()
    assert torch.equal(model.weight, own)
    with pytest.raises(KeyError), swapped_weights(model, ema.weights):
        raise KeyError
    assert torch.equal(model.weight, own), "after a failure too"


def test_random_numbers_are_those_of_seed_step_and_stream():
    def draw(*of: int) -> tuple[float, ...]:
        return tuple(torch.rand(4, generator=step_generator(*of[:2], stream=of[2])).tolist())

    every = [(seed, step, stream) for seed in range(3) for step in range(20) for stream in range(2)]
    assert len({draw(*each) for each in every}) == len(every)
    assert draw(2, 7, 1) == draw(2, 7, 1)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_forward_runs_in_the_precision_asked_for(precision, dtype):
    with autocast("cpu", precision):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


@pytest.fixture(scope="module")
def batches(tiny_run):
    data, tokenizer = LatentSet(tiny_run / "data"), CLIPTokenizer.from_pretrained(tiny_run / "text/tokenizer")
    words = CaptionWords(data.samples, [{"name": "", "aliases": []}] * 4, {}, 0.0, 0)

    def make(single_steps: int = 0, dropout: float = 0.0, seed: int = 0) -> Batches:
        return Batches(data, words, tokenizer, 16, seed, single_steps, dropout, 1000, 0.5)

    return make


def test_the_first_steps_see_single_things_alone(tiny_run, batches):
    data, made = LatentSet(tiny_run / "data"), batches(single_steps=5)
    kinds = [{data.samples[i]["kind"] for i in made[step].indices} for step in range(8)]
    assert all(kind <= SINGLE for kind in kinds[:5]) and "plain" in set().union(*kinds)
    assert torch.equal(made[5].indices, batches()[5].indices), "and then all"
    assert any(not kind <= SINGLE for kind in kinds[5:])


def test_a_share_of_a_batch_sees_the_empty_caption(batches):
    empty = batches(dropout=1.0)[0].ids
    assert (empty == empty[0]).all()
    assert not (batches(dropout=0.0)[0].ids == empty[0]).all(1).any()
    some = torch.cat([(batches(dropout=0.25)[step].ids == empty[0]).all(1) for step in range(20)])
    assert 0.15 < some.float().mean() < 0.35


def test_a_batch_depends_on_seed_and_step_alone(batches):
    made, again = batches(dropout=0.5), batches(dropout=0.5)
    later = made[3]
    assert all(torch.equal(one, other) for one, other in zip(later, again[3], strict=True))
    for other in (made[4], batches(dropout=0.5, seed=1)[3]):
        assert not torch.equal(later.indices, other.indices) and not torch.equal(later.timesteps, other.timesteps)
