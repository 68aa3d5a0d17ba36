"""A training on a CPU does not give its memory back after each step."""

import ctypes
import resource

import pytest
import torch
from tiny_training import ended, forked

from t2i_trainer.training.strategies import new_strategy


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_what_a_step_frees_is_there_for_the_next_without_page_faults():
    def step() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        kept = [torch.ones(24 * 2**18) for _ in range(4)]
        del kept
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    def work() -> None:
        new_strategy("single")
        first, second = step(), step()
        # One of the four may not fit into the place of another, beside what was allocated in between.
        assert first > 20_000 and second < first / 2, (first, second)

    assert ended(forked(work)) == 0
