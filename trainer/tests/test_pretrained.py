"""Models by folder or by a name on the Hub, whose cache is filled here in place of a download."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download
from tiny_project import write_models

from t2i_trainer.data import pretrained
from t2i_trainer.data.pretrained import find_pretrained
from t2i_trainer.stage import StageError


@pytest.fixture
def hub(tmp_path: Path, monkeypatch) -> Path:
    """The cache of the Hub, without a network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def asked_for(monkeypatch) -> list[str]:
    """The patterns of files that are downloaded, or found in the cache."""
    patterns: list[str] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        patterns.extend(allow_patterns)
        return snapshot_download(name, allow_patterns=allow_patterns)

    monkeypatch.setattr(pretrained, "snapshot_download", download)
    return patterns


def cached(hub: Path, name: str) -> Path:
    """The folder of a repository in the cache."""
    repository = hub / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    return repository / "snapshots" / ("0" * 40)


def test_a_name_on_the_hub_is_found_with_its_part(hub: Path, asked_for: list[str], tmp_path: Path):
    write_models(tmp_path / "models")
    snapshot = cached(hub, "someone/pipeline")
    shutil.copytree(tmp_path / "models" / "vae", snapshot / "vae")
    shutil.copytree(tmp_path / "models" / "clip", snapshot / "text_encoder")
    (snapshot / "model_index.json").write_text("{}")
    vae = find_pretrained("someone/pipeline", tmp_path, "vae.model", "vae")
    assert vae.folder == snapshot / "vae"
    assert "vae/diffusion_pytorch_model.safetensors" in asked_for
    assert all(pattern.endswith((".safetensors", ".json", ".txt")) for pattern in asked_for), "and nothing that is code"
    assert not [pattern for pattern in asked_for if "safetensors" in pattern and not pattern.startswith("vae/")]
    same = find_pretrained("models/vae", tmp_path, "vae.model", "vae")
    assert vae.sha256() == same.sha256(), "the place of a model does not matter"


def test_a_name_that_is_neither_here_nor_on_the_hub_is_told(hub: Path, tmp_path: Path):
    for name in ("someone/nothing", "no name", "/nowhere/at/all"):
        with pytest.raises(StageError, match="expected a folder, or a model of") as caught:
            find_pretrained(name, tmp_path, "vae.model")
        assert caught.value.code == "MODEL_NOT_FOUND" and caught.value.issues[0].received.startswith(f"{name}: ")


def test_a_repository_without_safetensors_is_refused(hub: Path, tmp_path: Path):
    snapshot = cached(hub, "someone/old")
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "pytorch_model.bin").write_bytes(b"code")
    with pytest.raises(StageError) as caught:
        find_pretrained("someone/old", tmp_path, "clip.model")
    assert caught.value.code == "MODEL_INVALID"
