"""Text states of a project: computed once for each caption, and never for another one."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_project import write_images, write_models
from transformers import CLIPTextModel, CLIPTokenizer

from t2i_trainer.data import shards
from t2i_trainer.data.embeddings import EmbedOptions, embed, embeddings_folder
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.pt_files import read_pt
from t2i_trainer.data.shards import ShardStore
from t2i_trainer.data.text import FrozenTextEncoder
from t2i_trainer.files import read_json, write_json
from t2i_trainer.stage import StageError


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, models: Path, monkeypatch) -> Path:
    monkeypatch.setattr(shards, "ROWS_PER_SHARD", 4)
    shutil.copytree(models, tmp_path / "models")
    write_images(DataFolder(tmp_path / "data"))
    return tmp_path


def run(project: Path, **options) -> dict:
    chosen = EmbedOptions("models/clip", **{"max_length": 16, "batch_size": 3, **options})
    return embed(chosen, project, data_of(project))


def data_of(project: Path) -> DataFolder:
    return DataFolder(project / "data")


def stored(project: Path, caption: str, max_length: int = 16) -> torch.Tensor:
    encoder = FrozenTextEncoder("models/clip", max_length, project)
    return ShardStore(embeddings_folder(project)).read([encoder.key(caption)])["states"][0]


def expected(project: Path, caption: str, max_length: int = 16) -> torch.Tensor:
    """By transformers alone."""
    folder = project / "models" / "clip"
    ids = CLIPTokenizer.from_pretrained(folder)(
        caption, padding="max_length", truncation=True, max_length=max_length, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        return CLIPTextModel.from_pretrained(folder)(input_ids=ids).last_hidden_state[0]


def assert_encoded(project: Path, caption: str, max_length: int = 16) -> None:
    got, want = stored(project, caption, max_length).float(), expected(project, caption, max_length)
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)


def test_states_are_those_of_the_encoder(project: Path):
    result = run(project)
    assert (result["captions"], result["computed"], result["cached"]) == (6, 7, 0)
    for caption in ("a red rose 0", ""):
        got = stored(project, caption)
        assert got.shape == (16, 16) and got.dtype == torch.float16
        assert_encoded(project, caption)
    assert stored(project, "").abs().max() > 0, "the empty caption has states of its own, not zeros"


def test_only_changed_captions_are_computed_again_and_old_ones_dropped(project: Path):
    first = run(project)
    assert run(project)["computed"] == 0
    data_of(project).write_caption("image-2", "a white boat")
    result = run(project)
    assert (result["computed"], result["cached"], result["dropped"]) == (1, 6, 1)
    assert result["null_sha256"] == first["null_sha256"]
    assert_encoded(project, "a white boat")
    with pytest.raises(KeyError):
        stored(project, "a daisy on white 2")


def test_images_with_the_same_caption_share_a_row(project: Path):
    for stem in ("image-0", "image-1"):
        data_of(project).write_caption(stem, "the same")
    assert run(project)["computed"] == 6


@pytest.mark.parametrize("change", ["weights", "length", "tokenizer"])
def test_another_encoder_or_length_computes_everything_again(project: Path, change: str):
    run(project)
    if change == "weights":
        path = project / "models" / "clip" / "model.safetensors"
        weights = load_file(path)
        name = next(name for name in weights if name.endswith("final_layer_norm.bias"))
        save_file({**weights, name: weights[name] + 1}, path, {"format": "pt"})
    if change == "tokenizer":
        path = project / "models" / "clip" / "tokenizer_config.json"
        write_json(path, {**read_json(path), "model_max_length": 12})
    length = 8 if change == "length" else 16
    result = run(project, max_length=length)
    assert (result["computed"], result["dropped"]) == (7, 7)
    assert_encoded(project, "a red rose 0", length)


def test_a_damaged_shard_is_computed_again(project: Path, capsys):
    run(project)
    path = sorted(embeddings_folder(project).glob("*.safetensors"))[0]
    data = bytearray(path.read_bytes())
    data[-9] ^= 255
    path.write_bytes(data)
    assert run(project)["computed"] == 4
    assert "1 shards" in capsys.readouterr().out
    assert_encoded(project, "")


def test_what_an_interrupted_run_wrote_is_kept(project: Path, monkeypatch):
    encode = FrozenTextEncoder.encode

    def stop_at_the_last(encoder: FrozenTextEncoder, captions):
        if "a cat and a dog 5" in captions:
            raise KeyboardInterrupt
        return encode(encoder, captions)

    monkeypatch.setattr(FrozenTextEncoder, "encode", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        run(project, batch_size=2)
    monkeypatch.undo()
    assert run(project)["cached"] == 6


def test_captions_that_are_cut_are_counted(project: Path, capsys):
    data_of(project).write_caption("image-3", "rose " * 15)
    data_of(project).write_caption("image-4", "rose " * 14)
    assert run(project)["too_long"] == 1
    assert "1 captions have more than 16 tokens and are cut, first captions/image-3.txt" in capsys.readouterr().out


@pytest.mark.parametrize("length", [2, 17])
def test_a_length_without_positions_is_refused(project: Path, length: int):
    with pytest.raises(StageError) as caught:
        run(project, max_length=length)
    assert caught.value.issues[0].option == "clip.max_length" and caught.value.issues[0].received == str(length)


def test_a_batch_that_does_not_fit_is_tried_in_halves(project: Path, monkeypatch, capsys):
    encode = FrozenTextEncoder.encode
    sizes = []

    def small_memory(encoder: FrozenTextEncoder, captions):
        sizes.append(len(captions))
        if len(captions) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return encode(encoder, captions)

    monkeypatch.setattr(FrozenTextEncoder, "encode", small_memory)
    assert run(project, batch_size=7)["computed"] == 7
    assert sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert "going on with 3" in capsys.readouterr().out
    assert stored(project, "two tulips 1").isfinite().all()


def test_memory_too_small_for_one_is_an_error(project: Path, monkeypatch):
    def no_memory(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(FrozenTextEncoder, "encode", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        run(project)


def test_one_file_for_each_image_on_request(project: Path):
    run(project, layout="pt")
    folder = embeddings_folder(project)
    assert sorted(path.name for path in (folder / "pt").iterdir()) == [f"image-{i}.pt" for i in range(6)]
    plain = torch.load(folder / "pt" / "image-1.pt", weights_only=True)
    assert torch.equal(plain, stored(project, "two tulips 1"))
    assert torch.equal(read_pt(folder / "null.pt"), stored(project, ""))
    (folder / "pt" / "image-1.pt").write_bytes(b"damaged")
    (data_of(project).images / "image-5.png").unlink()
    data_of(project).write_caption("image-0", "a pink star")
    run(project, layout="pt")
    assert torch.equal(read_pt(folder / "pt" / "image-1.pt"), plain)
    assert torch.equal(read_pt(folder / "pt" / "image-0.pt"), stored(project, "a pink star"))
    assert not (folder / "pt" / "image-5.pt").exists()


def test_an_encoder_without_safetensors_is_refused_and_not_unpickled(project: Path):
    folder = project / "models" / "clip"
    (folder / "pytorch_model.bin").write_bytes(b"what would be unpickled")
    (folder / "model.safetensors").unlink()
    with pytest.raises(StageError, match="cannot be used") as caught:
        run(project)
    assert "safetensors" in caught.value.issues[0].expected


def test_an_encoder_with_missing_weights_is_refused(project: Path):
    path = project / "models" / "clip" / "model.safetensors"
    weights = load_file(path)
    weights.pop(next(name for name in weights if name.endswith("final_layer_norm.bias")))
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(StageError, match="cannot be used") as caught:
        run(project)
    assert "final_layer_norm.bias" in caught.value.issues[0].received


def test_a_damaged_or_missing_encoder_is_told_as_such(project: Path):
    (project / "models" / "clip" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(StageError) as caught:
        run(project)
    assert caught.value.code == "MODEL_INVALID"
    with pytest.raises(StageError) as caught:
        embed(EmbedOptions("no such/model name"), project, data_of(project))
    assert caught.value.code == "MODEL_NOT_FOUND"
    for damage in (b"{", b"[]", b"\xff"):
        (project / "models" / "clip" / "config.json").write_bytes(damage)
        with pytest.raises(StageError) as caught:
            run(project)
        assert caught.value.code == "MODEL_INVALID"
    (project / "models" / "clip" / "config.json").unlink()
    with pytest.raises(StageError) as caught:
        run(project)
    assert caught.value.code == "MODEL_INVALID"


def test_a_model_or_tokenizer_that_is_not_clips_is_refused(project: Path):
    def refused(part: str) -> None:
        with pytest.raises(StageError) as caught:
            run(project)
        assert caught.value.code == "MODEL_INVALID" and part in caught.value.issues[0].expected

    folder = project / "models" / "clip"
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "vocab_size": 20})
    refused("a tokenizer of at most 20 tokens")
    write_json(folder / "config.json", {**config, "model_type": "bert"})
    refused("clip_text_model")
    write_json(folder / "config.json", config)
    (folder / "tokenizer.json").write_text("damaged")
    refused("tokenizer")
    (folder / "tokenizer.json").unlink()
    refused("a tokenizer")


def test_a_diffusers_folder_gives_its_text_encoder_and_tokenizer(project: Path):
    pipeline = project / "models" / "pipeline"
    shutil.move(project / "models" / "clip", pipeline / "text_encoder")
    (pipeline / "tokenizer").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.move(pipeline / "text_encoder" / name, pipeline / "tokenizer" / name)
    (pipeline / "model_index.json").write_text("{}")
    assert embed(EmbedOptions("models/pipeline", 16), project, data_of(project))["computed"] == 7


def test_states_beyond_float16_are_refused(project: Path):
    path = project / "models" / "clip" / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("final_layer_norm.bias"))
    save_file({**weights, name: weights[name] + 1e6}, path, {"format": "pt"})
    with pytest.raises(StageError) as caught:
        run(project)
    assert "float16" in caught.value.issues[0].expected


def test_images_without_captions_are_all_named(project: Path):
    data_of(project).caption_file("image-1").unlink()
    data_of(project).write_caption("image-4", " ")
    with pytest.raises(StageError) as caught:
        run(project)
    assert [issue.option for issue in caught.value.issues] == ["images/image-1.png", "images/image-4.png"]


def test_reading_a_row_is_told_beside_encoding_it(project: Path):
    rates = run(project)["rows_per_second"]
    print(f"a stored row is read {rates['read'] / rates['encoded']:.1f} times as fast as a tiny encoder makes one")
    assert rates["read"] > 0 and rates["encoded"] > 0
    assert run(project)["rows_per_second"]["encoded"] is None
