"""Presets on the command lines of evaluate.py and export.py."""

import argparse

import pytest

from t2i_trainer.presets import preset_steps


def test_a_preset_has_steps_under_its_name():
    assert preset_steps("fast=6") == ("fast", 6)


@pytest.mark.parametrize("value", ["fast", "fast=", "=3", "fast=0", "fast=1.5"])
def test_a_preset_is_a_name_with_a_number_of_steps(value):
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        preset_steps(value)
    assert str(refused.value) == f"expected NAME=STEPS, for example fast=6, received {value}"
