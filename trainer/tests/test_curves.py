"""Loss curves as people see them."""

import re

import pytest

from t2i_trainer.evaluation.curves import loss_curves


@pytest.mark.parametrize(
    ("steps", "labels"),
    [
        ((0, 1000), ["0", "250", "500", "750", "1000"]),
        ((3, 6), ["3", "4", "5", "6"]),
        ((5,), ["5"]),
    ],
)
def test_steps_are_whole_and_none_is_named_twice(steps, labels):
    svg = loss_curves({"val_diffuser_loss": [(step, 1.5) for step in steps]})
    texts = re.findall(r'<text x="[\d.]+" y="([\d.]+)" text-anchor="\w+">([^<]+)</text>', svg)
    bottom = max(float(y) for y, _ in texts)
    assert [label for y, label in texts if float(y) == bottom] == labels
