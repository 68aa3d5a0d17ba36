"""Processes that load batches change nothing of what is learnt, nor of how a training ends."""

import json
import os
import signal
from pathlib import Path

import pytest
from tiny_project import train_sections, write_prepared
from tiny_training import distance, ended, forked, forked_ranks, params, resolved, run, weights

from stages.train import train
from t2i_trainer.data import samples
from t2i_trainer.training.learner import Learner


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """A training of 11 samples, of which a batch is no divisor, by one process."""
    out = tmp_path_factory.mktemp("alone")
    run(out, count=11)
    return out


def test_epochs_end_where_their_last_sample_is_taken(alone):
    lines = [json.loads(line) for line in (alone / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["epoch"]) for line in lines] == [(3, 12 / 11), (6, 24 / 11), (9, 36 / 11), (11, 4)]


def test_a_training_with_workers_that_is_killed_resumes_as_if_it_had_none(tmp_path, alone):
    step = Learner.step

    def killed(self, number, applied):
        if number == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, number, applied)

    def work() -> None:
        Learner.step = killed
        run(tmp_path, given, count=11)

    given = params(workers=2)
    assert ended(forked(work)) == -signal.SIGKILL
    assert (tmp_path / "checkpoints/latest").read_text() == "step-00000004\n"
    run(tmp_path, params(workers=1), count=11)
    assert distance(weights(tmp_path), weights(alone)) == 0


def test_ranks_with_workers_learn_what_one_process_learns(tmp_path, alone):
    forked_ranks(2, lambda rank: run(tmp_path, params(workers=1), ranks=2, count=11))
    assert distance(weights(tmp_path), weights(alone)) < 1e-5


def test_a_signal_to_all_processes_ends_training_with_a_checkpoint(tmp_path):
    step = Learner.step

    def stopping(self, number, applied):
        if number == 2:
            os.killpg(0, signal.SIGTERM)
        return step(self, number, applied)

    def work() -> None:
        os.setsid()
        Learner.step = stopping
        result = run(tmp_path, params(workers=2, gradient_accumulation_steps=2))
        assert (result["status"], result["step"]) == ("stopped", 3)

    assert ended(forked(work)) == 0


def test_images_that_are_encoded_on_the_fly_are_decoded_by_the_workers(tmp_path, monkeypatch):
    write_prepared(tmp_path)
    load, here = samples.ImageFiles.load, []

    def spying(self, indices, flipped):
        here.append(os.getpid())
        return load(self, indices, flipped)

    given = train_sections(num_epochs=2)
    for workers in (0, 1):
        data = {**given["data"], "precompute_latents": False, "flip": True, "num_workers": workers}
        if workers:
            monkeypatch.setattr(samples.ImageFiles, "load", spying)
        train(tmp_path, resolved({**given, "data": data, "mlflow": {"run_name": f"workers-{workers}"}}))
    # For the shape of the data, and of each of two epochs for validation.
    assert len(here) == 5
    found = [weights(tmp_path / f"runs/workers-{workers}") for workers in (0, 1)]
    assert distance(*found) == 0
