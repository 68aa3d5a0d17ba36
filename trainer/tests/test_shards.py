"""Rows that are computed once: what is kept, what is dropped, and what a damaged or interrupted store gives."""

from pathlib import Path

import pytest
import torch

from t2i_trainer.data import shards
from t2i_trainer.data.shards import Row, ShardStore


def rows_of(*numbers: int) -> dict[str, Row]:
    return {f"key-{n}": {"mean": torch.full((2, 3), float(n)), "std": torch.full((1,), n / 2)} for n in numbers}


def values(store: ShardStore, *numbers: int) -> list[float]:
    return store.read([f"key-{n}" for n in numbers])["mean"][:, 0, 0].tolist()


@pytest.fixture
def store(tmp_path: Path, monkeypatch) -> ShardStore:
    """Two full shards of three rows, and one of a single row."""
    monkeypatch.setattr(shards, "ROWS_PER_SHARD", 3)
    store = ShardStore(tmp_path / "rows")
    for numbers in ((0, 1, 2), (3, 4, 5), (6,)):
        store.append(rows_of(*numbers))
    return store


def files(store: ShardStore) -> list[str]:
    return sorted(path.name for path in store.folder.glob("*.safetensors"))


def test_rows_are_read_in_the_order_asked_for_across_shards(store: ShardStore):
    again = ShardStore(store.folder)
    got = again.read(["key-6", "key-1", "key-4", "key-1"])
    assert got["mean"][:, 0, 0].tolist() == [6, 1, 4, 1]
    assert got["mean"].shape == (4, 2, 3) and got["std"].shape == (4, 1)
    assert got["mean"].dtype == torch.float16
    assert "key-5" in again and "key-7" not in again
    with pytest.raises(KeyError):
        again.read(["key-7"])


def test_a_shard_that_the_index_does_not_name_does_not_count(store: ShardStore):
    index = (store.folder / "index.json").read_bytes()
    store.append(rows_of(7, 8))
    (store.folder / "index.json").write_bytes(index)
    again = ShardStore(store.folder)
    assert "key-7" not in again
    again.append(rows_of(9))
    assert values(ShardStore(store.folder), 9, 0) == [9, 0]


@pytest.mark.parametrize("damage", ["byte", "missing"])
def test_damaged_shards_are_found_and_forgotten(store: ShardStore, damage: str):
    path = store.folder / files(store)[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    if damage == "byte":
        path.write_bytes(data)
    again = ShardStore(store.folder)
    assert again.damaged() == [path.name]
    again.forget([path.name])
    assert "key-4" not in again and values(again, 2, 6) == [2, 6]
    assert ShardStore(store.folder).damaged() == [] and not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}'])
def test_a_damaged_index_is_an_empty_store(store: ShardStore, text: str):
    (store.folder / "index.json").write_text(text)
    again = ShardStore(store.folder)
    assert "key-0" not in again and again.damaged() == []


def test_compacting_drops_what_is_not_wanted_and_leaves_full_shards_alone(store: ShardStore):
    first = (store.folder / files(store)[0]).stat().st_ino
    assert store.compact({f"key-{n}" for n in (0, 1, 2, 3, 5, 6)}) == 1
    again = ShardStore(store.folder)
    assert "key-4" not in again and values(again, 0, 3, 5, 6) == [0, 3, 5, 6]
    assert len(files(store)) == 2, "those that are not full are joined"
    assert (store.folder / files(store)[0]).stat().st_ino == first
    assert again.damaged() == []
    before = [(store.folder / name).stat().st_ino for name in (*files(store), "index.json")]
    assert again.compact(set(again.rows)) == 0
    assert [(store.folder / name).stat().st_ino for name in (*files(store), "index.json")] == before


def test_a_row_that_is_not_wanted_goes_from_the_only_shard_too(store: ShardStore):
    store.forget(files(store)[:2])
    store.append(rows_of(7, 8))
    store.forget(files(store)[:1])
    assert store.compact({"key-7"}) == 1 and list(ShardStore(store.folder).rows) == ["key-7"]


def test_compacting_joins_small_shards(store: ShardStore):
    store.append(rows_of(7))
    assert store.compact(set(store.rows)) == 0
    assert len(files(store)) == 3 and values(ShardStore(store.folder), 6, 7) == [6, 7]


def test_compacting_to_nothing_leaves_an_empty_store(store: ShardStore):
    assert store.compact(set()) == 7
    assert files(store) == [] and ShardStore(store.folder).rows == {}


def test_a_row_that_is_written_again_has_its_new_value(store: ShardStore):
    store.append({"key-0": rows_of(9)["key-9"]})
    assert values(ShardStore(store.folder), 0, 1) == [9, 1]
    store.compact(set(store.rows))
    assert values(ShardStore(store.folder), 0, 1, 2) == [9, 1, 2]


def test_rows_are_written_a_full_shard_at_a_time_and_the_rest_at_the_end(store: ShardStore):
    store.forget(list(store.shards))
    with pytest.raises(KeyboardInterrupt), store.filling() as add:
        add(rows_of(0, 1))
        assert files(store) == []
        add(rows_of(2, 3, 4, 5, 6))
        assert len(files(store)) == 2
        raise KeyboardInterrupt
    again = ShardStore(store.folder)
    assert values(again, *range(7)) == list(range(7))
    assert [sum(shard == name for shard, _ in again.rows.values()) for name in files(again)] == [3, 3, 1]
