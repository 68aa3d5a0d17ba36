"""Importing WebDataset tars and Oxford-102."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from tiny_sources import contents, import_from, picture, put

from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.sources.oxford import NAMES
from t2i_trainer.stage import StageError


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "project" / "data")


def tar_of(path: Path, *members: tuple[str, bytes | None, dict], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(content or b"")
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(content) if content is not None else None)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_webdataset_tar(tmp_path: Path, data: DataFolder, mode: str):
    source = tar_of(
        tmp_path / "shard.tar",
        ("./0001.jpg", picture(1, "JPEG"), {}), ("./0001.txt", b"one", {}),
        ("0002.png", picture(2), {}), ("0002.json", b'{"caption": "two", "width": 3}', {}),
        ("red/0001.png", picture(3), {}), ("red/0001.json", b'{"text": "three"}', {}),
        ("0004.png", picture(4), {}), ("0004.json", b'{"title": "four"}', {}),
        mode=mode,
    )  # fmt: skip
    report, skipped = import_from(source, data)
    assert report["imported"] == 4
    assert [data.caption(stem) for stem in ("0001", "0002", "red-0001")] == ["one", "two", "three"]
    assert skipped == {"0004.json": "has no text by the name of caption or text"}


def test_a_hostile_tar_writes_nothing_outside_and_is_named(tmp_path: Path, data: DataFolder):
    source = tar_of(
        tmp_path / "hostile.tar",
        ("good.png", picture(1), {}),
        ("../up.png", picture(2), {}), ("/abs.png", picture(3), {}), ("x/../../y.png", picture(4), {}),
        ("soft.png", None, {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("hard.png", None, {"type": tarfile.LNKTYPE, "linkname": "good.png"}),
        ("dev.png", None, {"type": tarfile.CHRTYPE}), ("pipe.png", None, {"type": tarfile.FIFOTYPE}),
        ("alone.txt", b"x", {}), ("good.txt", b"good", {}), ("good.json", b"{}", {}), ("x.bin", b"x", {}),
    )  # fmt: skip
    _, skipped = import_from(source, data)
    leads = "has a path that leads out of the tar"
    assert skipped == {
        "../up.png": leads, "/abs.png": leads, "x/../../y.png": leads,
        "soft.png": "is a symbolic link", "hard.png": "is a hard link",
        "dev.png": "is a device", "pipe.png": "is a pipe",
        "good.json": "is a second caption, beside good.txt",
        "alone.txt": "is a caption without an image", "x.bin": "is neither an image nor a caption",
    }  # fmt: skip
    assert sorted(contents(tmp_path)) == [
        "hostile.tar", "project/data/captions/good.txt", "project/data/images/good.png",
    ]  # fmt: skip


def test_a_truncated_tar_gives_what_is_whole(tmp_path: Path, data: DataFolder):
    source = tar_of(
        tmp_path / "cut.tar", ("a.png", picture(1), {}), ("b.png", picture(2), {}), ("c.png", picture(3), {})
    )
    source.write_bytes(source.read_bytes()[: 512 + len(picture(1)) + 512 + 800])
    report, skipped = import_from(source, data)
    assert report["imported"] == 1
    assert skipped == {
        str(source): "is damaged after b.png: unexpected end of data",
        "b.png": "cannot be read: the tar is damaged: unexpected end of data",
    }


def oxford(root: Path, labels: list[int]) -> Path:
    put(root, jpg__image_00001_jpg=picture(1, "JPEG"), jpg__image_00002_jpg=picture(2, "JPEG"))
    savemat(root / "imagelabels.mat", {"labels": np.array([labels])})
    savemat(root / "setid.mat", {"trnid": [[1]], "valid": [[2]], "tstid": [[3]]})
    return root


def test_oxford_flowers_have_captions_only_when_asked_for(tmp_path: Path, data: DataFolder):
    source = oxford(tmp_path / "flowers", [77, 1, 102])
    report, skipped = import_from(source, data)
    assert report["imported"] == 2 and len(report["without_caption"]) == 2
    assert skipped == {"jpg/image_00003.jpg": "is missing, though imagelabels.mat has its label"}
    import_from(source, data, class_captions=True)
    assert data.caption("image_00001") == "a photo of a passion flower"
    assert data.caption("image_00002") == "a photo of a pink primrose"


def test_the_names_of_the_flowers_are_in_the_order_of_the_labels():
    known = {1: "pink primrose", 46: "wallflower", 51: "petunia", 73: "water lily", 77: "passion flower"}
    known |= {81: "frangipani", 89: "watercress", 102: "blackberry lily"}
    assert len(set(NAMES)) == 102 and {label: NAMES[label - 1] for label in known} == known


def test_labels_of_another_data_set_are_refused(tmp_path: Path, data: DataFolder):
    with pytest.raises(StageError, match="imagelabels"):
        import_from(oxford(tmp_path / "flowers", [77, 103]), data)
    (tmp_path / "flowers" / "imagelabels.mat").write_bytes(b"no matrix")
    with pytest.raises(StageError, match="imagelabels"):
        import_from(tmp_path / "flowers", data)
