"""A training that several ranks share, is killed, or is asked to stop, ends as one that was left alone."""

import json
import os
import signal
from pathlib import Path

import pytest
from tiny_training import distance, ended, forked, forked_ranks, params, run, weights

from t2i_trainer.stage import StageError
from t2i_trainer.training.learner import Learner
from t2i_trainer.training.stop import StopAsked
from t2i_trainer.training.strategies.ranks import gpu_of


def lines(out: Path) -> list[dict]:
    figures = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    for line in figures:
        del line["samples_per_second"]
    return figures


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """A training that nothing disturbed."""
    out = tmp_path_factory.mktemp("alone")
    run(out)
    return out


def check_same(out: Path, alone: Path, tolerance: float) -> None:
    assert distance(weights(out), weights(alone)) <= tolerance
    assert lines(out) == [pytest.approx(line, rel=1e-4) for line in lines(alone)]
    best = [json.loads((folder / "best" / "best.json").read_text()) for folder in (out, alone)]
    assert best[0]["best_step"] == best[1]["best_step"]


def test_two_ranks_learn_what_one_learns(tmp_path, alone):
    forked_ranks(2, lambda rank: run(tmp_path, ranks=2))
    check_same(tmp_path, alone, 1e-5)


def test_accumulated_parts_on_two_ranks_learn_what_the_batch_teaches(tmp_path, alone):
    forked_ranks(2, lambda rank: run(tmp_path, params(gradient_accumulation_steps=2), ranks=2))
    check_same(tmp_path, alone, 1e-5)


def test_each_process_has_a_gpu_of_its_own_and_more_processes_than_gpus_are_refused_by_all_of_them():
    assert [str(gpu_of(process, 2, 4)) for process in range(2)] == ["cuda:0", "cuda:1"]
    for process in range(2):
        with pytest.raises(StageError) as refused:
            gpu_of(process, 2, 1)
        assert refused.value.issues[0].option == "--nproc"
        assert "2 processes, and 1 GPU" in str(refused.value)


def test_a_validation_set_that_ranks_cannot_share_evenly_counts_each_item_once(tmp_path, alone):
    forked_ranks(4, lambda rank: run(tmp_path, ranks=4))
    assert lines(tmp_path)[0]["val_diffuser_loss"] == pytest.approx(lines(alone)[0]["val_diffuser_loss"], rel=1e-5)


def killed_at(out: Path, given: dict, call: str, count: int) -> int:
    """Trains in another process that is killed in its `count`-th call of a step, a sync or a rename."""

    def work() -> None:
        place, name = {"step": (Learner, "step"), "fsync": (os, "fsync"), "rename": (Path, "rename")}[call]
        done, calls = getattr(place, name), iter(range(1, 10**9))

        def counted(*arguments):
            if next(calls) == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return done(*arguments)

        setattr(place, name, counted)
        run(out, given)

    return ended(forked(work))


def test_a_training_killed_at_any_moment_resumes_as_if_it_had_not_been(tmp_path, alone):
    given = params(checkpoint_steps=3)
    # In a step, in each part of the writing of a checkpoint, between its writing and its showing, and while the best
    # weights are written.
    moments = [("step", 2), ("fsync", 6), ("step", 5), ("fsync", 9), ("rename", 1), ("fsync", 3), ("fsync", 12)]
    for call, count in moments:
        assert killed_at(tmp_path, given, call, count) == -signal.SIGKILL
    run(tmp_path, given)
    check_same(tmp_path, alone, 1e-6)


def test_a_training_resumes_on_another_number_of_ranks(tmp_path, alone):
    assert killed_at(tmp_path, params(), "step", 6) == -signal.SIGKILL
    forked_ranks(2, lambda rank: run(tmp_path, ranks=2))
    check_same(tmp_path, alone, 1e-5)


@pytest.mark.parametrize("number", StopAsked.SIGNALS)
def test_a_signal_ends_a_training_with_a_checkpoint_and_it_resumes(tmp_path, alone, monkeypatch, capsys, number):
    asked, step = number, Learner.step

    def stopping(self, number, applied):
        if number == 2:
            signal.raise_signal(asked)
        return step(self, number, applied)

    before = signal.getsignal(asked)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", stopping)
        result = run(tmp_path)
    assert (result["status"], result["step"]) == ("stopped", 3)
    assert (tmp_path / "checkpoints" / "latest").read_text() == "step-00000003\n"
    assert not (tmp_path / "unet").exists(), "what is not trained to its end is not taken for it"
    assert "stopped after step 3 of 8; the same command resumes" in capsys.readouterr().out
    assert signal.getsignal(asked) is before
    assert run(tmp_path)["status"] == "finished"
    check_same(tmp_path, alone, 1e-6)


def test_sigterm_to_one_rank_ends_all_at_the_same_step(tmp_path, monkeypatch):
    step = Learner.step

    def stopping(self, number, applied):
        if number == 2 and self.strategy.rank == 1:
            signal.raise_signal(signal.SIGTERM)
        return step(self, number, applied)

    monkeypatch.setattr(Learner, "step", stopping)

    def work(rank: int) -> None:
        assert run(tmp_path, ranks=2)["step"] == 3

    forked_ranks(2, work)


def test_a_checkpoint_of_another_training_is_refused_with_all_that_differs(tmp_path):
    run(tmp_path)
    with pytest.raises(StageError) as caught:
        run(tmp_path, params(unet_learning_rate=2e-3, seed=5), count=12)
    assert {issue.option for issue in caught.value.issues} == {
        "training.unet_learning_rate", "training.seed", "hash.training_set",
    }  # fmt: skip
    assert run(tmp_path, params(checkpoint_steps=1))["status"] == "finished", "how often is not what is learnt"
