"""A model folder packed and unpacked, and packs that must not be."""

import hashlib
import importlib
import json
import stat
import zipfile
from pathlib import Path

import pytest

from t2i_trainer.pack import MANIFEST, UnpackOptions, pack, unpack
from t2i_trainer.stage import StageError, main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    (model / "unet").mkdir(parents=True)
    (model / "unet" / "model.weights").write_bytes(bytes(range(256)) * 40)
    (model / "t2i.json").write_text("{}" * 5000)
    return model


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_pack(file: Path, files: dict[str, bytes], listed: dict | None = None, mode: int = 0) -> Path:
    """A pack made by hand, with a manifest that may say something else."""
    true = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
        archive.writestr(MANIFEST, json.dumps({"formatVersion": 1, "files": true if listed is None else listed}))
    return file


def refuse(file: Path, match: str, options: UnpackOptions | None = None) -> None:
    """Nothing is left behind."""
    with pytest.raises(StageError, match=match) as caught:
        unpack(file, file.parent / "out" / "model", options)
    assert caught.value.code == "MODEL_INVALID"
    assert not any(path for path in (file.parent / "out").rglob("*"))


def test_a_folder_comes_back_as_it_was_and_the_same_files_give_the_same_pack(folder: Path, tmp_path: Path):
    result = pack(folder, tmp_path / "model.zip")
    assert (result["files"], result["bytes"]) == (2, 20240)
    assert pack(folder, tmp_path / "again.zip")["sha256"] == result["sha256"]
    unpack(tmp_path / "model.zip", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(folder)
    with pytest.raises(StageError, match="is there already") as caught:
        unpack(tmp_path / "model.zip", tmp_path / "back")
    assert caught.value.code == "OPTION_INVALID"


def test_the_stages_pack_and_unpack(folder: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "stages")
    (tmp_path / "params.json").write_text("{}")
    given = ["--project", str(tmp_path), "--params", str(tmp_path / "params.json")]
    for name, source, target in (("pack_model", "model", "model.zip"), ("unpack_model", "model.zip", "back")):
        script = importlib.import_module(name)
        assert main(name, script.stage, [*given, "--source", source, "--target", target], script.add_flags) == 0
    assert contents(tmp_path / "back") == contents(folder)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["value"]["files"] == 2


def test_links_and_empty_folders_are_not_packed(folder: Path, tmp_path: Path):
    (folder / "secret").symlink_to("/etc/hostname")
    with pytest.raises(StageError, match="1 links or devices"):
        pack(folder, tmp_path / "model.zip")
    with pytest.raises(StageError, match="a folder with files"):
        pack(tmp_path / "nothing", tmp_path / "model.zip")
    assert not (tmp_path / "model.zip").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "a\\..\\evil", "./a", "a//b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str):
    refuse(write_pack(tmp_path / "p.zip", {name: b"x", "good": b"y"}), "a path inside the folder")
    assert not (tmp_path / "evil").exists()


def test_links_folders_and_doubles_are_refused(tmp_path: Path):
    refuse(
        write_pack(tmp_path / "link.zip", {"a": b"/etc/hostname"}, mode=stat.S_IFLNK | 0o777), "a plain file, received"
    )
    refuse(write_pack(tmp_path / "folder.zip", {"a/": b""}), "a plain file, received a folder")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        manifest = {"formatVersion": 1, "files": {"a": {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}}}
        for name, data in (("a", b"x"), ("a", b"x"), (MANIFEST, json.dumps(manifest))):
            archive.writestr(name, data)
    refuse(tmp_path / "p.zip", "one entry of this name")


def test_a_file_that_is_not_as_listed_is_refused(tmp_path: Path):
    entry = {"sha256": hashlib.sha256(b"xy").hexdigest(), "bytes": 2}
    refuse(write_pack(tmp_path / "hash.zip", {"a": b"xz"}, {"a": entry}), "a with SHA-256")
    refuse(write_pack(tmp_path / "size.zip", {"a": b"xyz"}, {"a": entry}), "2 bytes, received 3")
    refuse(write_pack(tmp_path / "more.zip", {"a": b"xy", "b": b"x"}, {"a": entry}), "a file that the manifest lists")
    refuse(
        write_pack(tmp_path / "less.zip", {"a": b"xy"}, {"a": entry, "b": entry}), "b: expected a file of the archive"
    )
    refuse(write_pack(tmp_path / "odd.zip", {"a": b"xy"}, {"a": {"sha256": 1, "bytes": 2}}), "of format version 1")


def test_bombs_are_refused_by_what_they_declare_and_by_what_they_are(tmp_path: Path):
    big = write_pack(tmp_path / "declared.zip", {"a": bytes(10_000)})
    refuse(big, "at most 9999 bytes unpacked, received 10000", UnpackOptions(largest=9999))
    many = write_pack(tmp_path / "many.zip", {str(i): b"" for i in range(5)})
    refuse(many, "at most 3 files", UnpackOptions(most_files=3))
    # The directory of the archive and the manifest say 10 bytes; the data are 10,000.
    entry = {"sha256": hashlib.sha256(bytes(10)).hexdigest(), "bytes": 10}
    lying = write_pack(tmp_path / "lying.zip", {"a": bytes(10_000)}, {"a": entry})
    raw = bytearray(lying.read_bytes())
    for at in (raw.find(b"PK\x03\x04") + 22, raw.find(b"PK\x01\x02") + 24):
        raw[at : at + 4] = (10).to_bytes(4, "little")
    lying.write_bytes(raw)
    refuse(lying, "a whole zip file|a with SHA-256")


def test_a_damaged_archive_and_one_of_something_else_are_refused(folder: Path, tmp_path: Path):
    pack(folder, tmp_path / "whole.zip")
    data = bytearray((tmp_path / "whole.zip").read_bytes())
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    refuse(tmp_path / "cut.zip", "a whole zip file")
    data[len(data) // 2] ^= 255
    (tmp_path / "flipped.zip").write_bytes(data)
    refuse(tmp_path / "flipped.zip", "a whole zip file|SHA-256")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "x")
    refuse(tmp_path / "other.zip", f"a pack, with {MANIFEST}")
