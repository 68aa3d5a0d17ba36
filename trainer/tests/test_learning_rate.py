"""Learning rates follow the formulas of DeepSpeed's schedulers; the numbers are worked out by hand."""

import math

import pytest

from t2i_trainer.training.learning_rate import learning_rate_share as share

NAMES = ("WarmupCosineLR", "WarmupLR", "WarmupDecayLR")


@pytest.mark.parametrize("name", NAMES)
def test_all_warm_up_by_the_logarithm_of_the_step(name: str):
    rates = [share(name, step, 8, 100) for step in range(8)]
    assert [rates[step] for step in (0, 1, 3, 7)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert rates[4] == pytest.approx(math.log(5) / math.log(8))


def test_the_cosine_falls_to_a_ten_thousandth_at_the_last_step():
    rates = [share("WarmupCosineLR", step, 10, 110) for step in range(10, 111)]
    assert rates[49] == pytest.approx(0.50005), "half way"
    assert rates[24] == pytest.approx(1e-4 + 0.9999 * (1 + math.sqrt(0.5)) / 2), "a quarter"
    assert rates[99] == rates[100] == pytest.approx(1e-4)
    assert rates == sorted(rates, reverse=True)


def test_the_decay_is_even_and_ends_at_zero_and_the_other_stays():
    assert [share("WarmupDecayLR", step, 10, 20) for step in (10, 15, 19, 20, 25)] == pytest.approx([1, 0.5, 0.1, 0, 0])
    assert [share("WarmupLR", step, 10, 20) for step in (10, 19, 1000)] == [1, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_a_short_training_has_a_rate_too(name: str):
    assert share(name, 0, 0, 10) > 0.9, "without a warm-up the first step is at the peak"
    assert share(name, 0, 1, 10) == 0
    assert 0 <= share(name, 5, 10, 5) <= 1 and 0 <= share(name, 12, 10, 5) <= 1, "a warm-up longer than all"
