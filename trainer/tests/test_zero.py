"""Ranks that share the optimizer's state, gradients and weights learn what one rank learns."""

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from tiny_training import distance, forked_ranks, params, run, weights

from t2i_trainer.params import TrainingParams
from t2i_trainer.stage import StageError
from t2i_trainer.training.strategies import new_strategy
from t2i_trainer.training.strategies.partitions import cut, whole_pieces
from t2i_trainer.training.strategies.zero import deepspeed_config

needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not installed in this environment"
)


@pytest.fixture(scope="module")
def deepspeed():
    """Imported once, for the ranks that are forked from here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DS_ACCELERATOR", "cpu")
        import deepspeed

        yield deepspeed


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    run(out, params(num_epochs=2))
    return out


@needs_deepspeed
@pytest.mark.parametrize(("strategy", "parts"), [("zero1", 1), ("zero2", 1), ("zero2", 2), ("zero3", 2)])
def test_two_ranks_learn_what_one_learns_and_resume(tmp_path, deepspeed, alone, strategy: str, parts: int):
    given = params(num_epochs=2, strategy=strategy, gradient_accumulation_steps=parts)

    def train(rank: int) -> None:
        run(tmp_path, given, ranks=2)

    forked_ranks(2, train)
    first = weights(tmp_path)
    assert distance(first, weights(alone)) < 1e-5
    shutil.rmtree(tmp_path / "unet")
    (tmp_path / "checkpoints" / "step-00000004" / "manifest.json").unlink()
    forked_ranks(2, train)
    assert distance(weights(tmp_path), first) == 0
    best = [json.loads((folder / "best" / "best.json").read_text()) for folder in (tmp_path, alone)]
    assert best[0]["best_val_diffuser_loss"] == pytest.approx(best[1]["best_val_diffuser_loss"], rel=1e-5)


@needs_deepspeed
@pytest.mark.parametrize("strategy", ["zero2", "zero3"])
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_training_resumes_on_another_number_of_ranks(tmp_path, deepspeed, alone, strategy, before, after):
    given = params(num_epochs=2, strategy=strategy, checkpoint_steps=2)
    forked_ranks(before, lambda rank: run(tmp_path, given, ranks=before))
    shutil.rmtree(tmp_path / "unet")
    (tmp_path / "checkpoints" / "step-00000004" / "manifest.json").unlink()
    forked_ranks(after, lambda rank: run(tmp_path, given, ranks=after))
    assert distance(weights(tmp_path), weights(alone)) < 1e-6


@needs_deepspeed
def test_a_rank_does_not_wait_for_a_compiler_that_nothing_uses(tmp_path, deepspeed):
    def train(rank: int) -> None:
        before = set(sys.modules)
        run(tmp_path, params(strategy="zero2", max_steps=1))
        assert "torch._inductor.compile_fx" not in set(sys.modules) - before

    forked_ranks(1, train)


@needs_deepspeed
def test_another_stage_is_refused_with_what_to_do(tmp_path, deepspeed):
    forked_ranks(1, lambda rank: run(tmp_path, params(strategy="zero2", max_steps=2)))

    def resume(strategy: str) -> None:
        with pytest.raises(StageError, match="cannot be resumed") as caught:
            run(tmp_path, params(strategy=strategy, max_steps=2))
        [issue] = caught.value.issues
        assert issue.expected.startswith("zero2, as ") and issue.received == strategy
        assert "mlflow.run_name" in caught.value.hint

    forked_ranks(1, lambda rank: resume("zero1"))
    resume("ddp")


@pytest.mark.parametrize(("sizes", "aligned"), [([[7, 2, 5], [3]], 1), ([[14], [3]], 2)])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_partitions_are_cut_again_for_any_number_of_ranks(sizes, aligned, world):
    def cut_for(ranks: int) -> list[list[torch.Tensor]]:
        numbers = iter(torch.arange(1.0, 18).split([size for own in sizes for size in own]))
        lengths = [sum(aligned * -(-size // (aligned * ranks)) for size in own) for own in sizes]
        pieces = list(numbers)
        return [list(cut(pieces, sizes, lengths, rank, ranks)) for rank in range(ranks)]

    for before in (1, 2, 4):
        pieces = list(whole_pieces(cut_for(before), sizes))
        assert torch.cat(pieces).tolist() == list(range(1, 18))
        for rank, expected in enumerate(cut_for(world)):
            again = cut(pieces, sizes, [part.numel() for part in expected], rank, world)
            assert all(torch.equal(*pair) for pair in zip(again, expected, strict=True))


def test_without_deepspeed_the_option_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "DS_ACCELERATOR": "cpu", "LOCAL_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StageError, match="DeepSpeed cannot be imported") as caught:
        new_strategy("zero2")
    assert "training.strategy ddp" in caught.value.hint


def test_without_torchrun_the_option_is_refused():
    assert "RANK" not in os.environ
    with pytest.raises(StageError, match="ZeRO needs ranks") as caught:
        new_strategy("zero3")
    assert "torchrun" in caught.value.hint


def test_the_configuration_is_that_of_the_options():
    options = TrainingParams(batch_size=24, gradient_accumulation_steps=3, precision="fp16")
    config = deepspeed_config(2, options, 4, torch.device("cuda"), 859_520_964)
    assert (config["train_batch_size"], config["train_micro_batch_size_per_gpu"]) == (24, 2)
    assert config["gradient_accumulation_steps"] == 3 and config["gradient_clipping"] == 0.5
    assert config["zero_optimization"]["stage"] == 2 and config["zero_optimization"]["overlap_comm"]
    assert config["fp16"]["enabled"] and "torch_autocast" not in config
    other = deepspeed_config(3, TrainingParams(precision="bf16"), 1, torch.device("cpu"), 4_001)
    assert other["torch_autocast"] == {"enabled": True, "dtype": "bfloat16"} and "fp16" not in other
    assert not other["zero_optimization"]["overlap_comm"]
    buckets = [
        [made["zero_optimization"][f"{what}_bucket_size"] for what in ("reduce", "allgather")]
        for made in (config, other)
    ]
    assert buckets == [[50_000_000] * 2, [4_002] * 2], "200 MB, or what the weights need"
