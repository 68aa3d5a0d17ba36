"""The images and captions of a project."""

import shutil
from pathlib import Path

import pytest
from tiny_project import write_images

from t2i_trainer.data.layout import DataFolder, Sample
from t2i_trainer.stage import StageError


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return write_images(DataFolder(tmp_path), 3)


def test_samples_are_images_with_their_captions_in_order(data: DataFolder):
    assert data.samples()[1] == Sample("image-1", data.images / "image-1.png", "two tulips 1")
    assert [sample.stem for sample in data.samples()] == ["image-0", "image-1", "image-2"]


def test_files_that_are_being_written_do_not_count(data: DataFolder):
    shutil.copy(data.images / "image-0.png", data.images / ".image-3.png.7.tmp")
    shutil.copy(data.images / "image-0.png", data.images / ".image-3.png")
    (data.captions / ".image-3.txt").write_text("half")
    assert len(data.image_files()) == len(data.caption_files()) == 3


def test_everything_that_keeps_samples_from_being_used_is_named(data: DataFolder):
    shutil.copy(data.images / "image-1.png", data.images / "image-1.jpg")
    data.caption_file("image-0").unlink()
    data.caption_file("image-2").write_bytes(b"caf\xe9")
    with pytest.raises(StageError) as caught:
        data.samples()
    told = [(issue.option, issue.received) for issue in caught.value.issues]
    assert told == [
        ("images/image-0.png", "none"),
        ("images/image-1.png", "that of image-1.jpg"),
        ("captions/image-2.txt", "unexpected end of data at byte 3"),
    ]


def test_a_folder_without_images_is_told_as_such(tmp_path: Path):
    with pytest.raises(StageError, match="holds no images") as caught:
        DataFolder(tmp_path / "missing").samples()
    assert caught.value.issues[0].option == "data.raw"
