"""Importing images and captions from folders, tars and Oxford-102."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from t2i_trainer.data.import_images import ImportOptions, import_images
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.sources.oxford import NAMES
from t2i_trainer.stage import StageError


def picture(seed: int, file_format: str = "PNG", size: tuple[int, int] = (80, 70)) -> bytes:
    buffer = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8)
    Image.fromarray(values).resize(size).save(buffer, file_format)
    return buffer.getvalue()


def put(root: Path, **files: bytes | str) -> Path:
    """Writes files; `__` in a name stands for `/` and `_` before an ending for `.`."""
    for name, content in files.items():
        path = root / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "import-report.json"
    }


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "project" / "data")


def run(source: Path, data: DataFolder, **options) -> tuple[dict, dict[str, str]]:
    """The report, and the reasons of what was skipped by file."""
    report = import_images(ImportOptions(source, **options), data)
    return report, {skipped["file"]: skipped["reason"] for skipped in report["skipped"]}


def test_a_folder_with_captions_beside_its_images(tmp_path: Path, data: DataFolder):
    source = put(tmp_path / "in", a_jpg=picture(1, "JPEG"), a_txt="a rose\r\nin a vase", b_png=picture(2), b_txt="b")
    before = contents(source)
    report, skipped = run(source, data)
    assert (report["imported"], report["captions"], skipped) == (2, 2, {})
    assert contents(source) == before, "the source is only read"
    assert (data.images / "a.jpg").read_bytes() == picture(1, "JPEG"), "a JPEG that needs no change is kept"
    assert np.array_equal(Image.open(data.images / "b.png"), Image.open(io.BytesIO(picture(2))))
    assert data.caption("a") == "a rose\nin a vase"
    assert json.loads((data.root / "import-report.json").read_text())["imported"] == 2


def test_folders_of_images_and_captions_and_of_classes(tmp_path: Path, data: DataFolder):
    source = put(
        tmp_path / "in",
        images__a_png=picture(1), captions__a_txt="a", images__red__a_png=picture(2), captions__red__a_txt="red a",
    )  # fmt: skip
    assert run(source, data)[0]["captions"] == 2
    assert [data.caption(stem) for stem in ("a", "red-a")] == ["a", "red a"]


@pytest.mark.parametrize("table", ["csv", "jsonl"])
def test_a_table_of_captions(tmp_path: Path, data: DataFolder, table: str):
    rows = [
        ("x/a.png", 'a "red" rose, open'),
        ("../b.png", "out"),
        ("none.png", "gone"),
        ("x/a.png", "again"),
        ("c.png", ""),
    ]
    put(tmp_path / "in", x__a_png=picture(1), c_png=picture(3))
    if table == "csv":
        quoted = ['"{}"'.format(text.replace('"', '""')) for _, text in rows]
        lines = ["file_name,text", *(f"{name},{text}" for (name, _), text in zip(rows, quoted, strict=True))]
    else:
        lines = [json.dumps({"file_name": name, "text": text}) for name, text in rows]
    (tmp_path / "in" / f"metadata.{table}").write_text("\n".join(lines))
    first = 2 if table == "csv" else 1
    report, skipped = run(tmp_path / "in", data)
    assert data.caption("x-a") == 'a "red" rose, open'
    assert report["without_caption"] == ["c.png"]
    assert skipped == {
        f"metadata.{table}: line {first + 1}": "../b.png is outside the folder",
        f"metadata.{table}: line {first + 2}": "there is no image none.png",
        f"metadata.{table}: line {first + 3}": "x/a.png has a caption already",
        f"metadata.{table}: line {first + 4}": "is an empty caption",
    }


def test_a_table_without_the_columns_is_refused(tmp_path: Path, data: DataFolder):
    with pytest.raises(StageError) as caught:
        run(put(tmp_path / "in", a_png=picture(1), metadata_csv="file,caption\na.png,x\n"), data)
    assert "file_name" in caught.value.issues[0].expected
    (tmp_path / "in" / "metadata.csv").unlink()
    put(tmp_path / "in", metadata_jsonl='{"file_name": "a.png"}\nnot json\n')
    assert len(run(tmp_path / "in", data)[1]) == 2


def test_everything_that_cannot_be_imported_is_named_with_its_reason(tmp_path: Path, data: DataFolder):
    source = put(
        tmp_path / "in",
        good_png=picture(0), good_txt="good",
        cut_jpg=picture(1, "JPEG")[:-200], cut_txt="cut",
        small_png=picture(2, size=(63, 80)), fake_png="no image",
        twin_jpg=picture(3, "JPEG"), twin_png=picture(4), twin_txt="twin",
        Case_png=picture(5), case_png=picture(6),
        empty_png=picture(7), empty_txt=" \n", latin_png=picture(8), latin_txt=b"caf\xe9",
        alone_txt="no image", notes_pdf="x",
    )  # fmt: skip
    (source / ".DS_Store").write_bytes(b"hidden")
    os.mkfifo(source / "pipe.png")
    (source / "gone.png").symlink_to("nowhere")
    (source / os.fsdecode(b"\xff.png")).write_bytes(picture(9))
    (source / f"{'n' * 201}.png").write_bytes(picture(10))
    report, skipped = run(source, data)
    expected = {
        "cut.jpg": "is damaged: image file is truncated",
        "small.png": "has 63x80 pixels: expected at least 64 on each side",
        "fake.png": "is not an image of a known format",
        "twin.png": "has the name of twin.jpg",
        "case.png": "has the name of Case.png but for its case",
        "empty.txt": "is an empty caption",
        "latin.txt": "is not UTF-8",
        "alone.txt": "is a caption without an image",
        "notes.pdf": "is neither an image nor a caption",
        "pipe.png": "is not a regular file",
        "gone.png": "is not a regular file",
        "\\udcff.png": "has a name that is not UTF-8",
        f"{'n' * 201}.png": "has a name that starts with a dot or is longer than 200 bytes",
    }
    assert skipped.keys() == expected.keys()
    for file, reason in expected.items():
        assert skipped[file].startswith(reason), file
    assert report["imported"] == 5
    assert report["without_caption"] == ["Case.png", "empty.png", "latin.png"]


def test_strict_names_what_it_would_skip_and_imports_nothing(tmp_path: Path, data: DataFolder):
    source = put(tmp_path / "in", a_png=picture(1), a_txt="a", b_png="b", c_txt="c")
    with pytest.raises(StageError) as caught:
        run(source, data, strict=True)
    assert [issue.option for issue in caught.value.issues] == ["b.png", "c.txt"]
    assert not data.root.exists()
    (source / "b.png").unlink()
    (source / "c.txt").unlink()
    assert run(source, data, strict=True)[0]["imported"] == 1


def test_importing_again_changes_nothing_and_goes_on_where_it_was_interrupted(tmp_path: Path, data: DataFolder):
    source = put(
        tmp_path / "in", a_jpg=picture(1, "JPEG"), a_txt="a", b_gif=picture(2, "GIF"), b_txt="b", c_png=picture(3)
    )
    run(source, data)
    data.write_caption("c", "written by hand")
    whole = contents(data.root)
    report, skipped = run(source, data)
    assert (report["imported"], report["already"], report["captions"], skipped) == (0, 3, 0, {})
    assert contents(data.root) == whole and report["without_caption"] == []
    (data.images / "b.png").unlink()
    data.caption_file("a").unlink()
    (data.images / ".b.png.1.tmp").write_bytes(b"half")
    report, _ = run(source, data)
    assert (report["imported"], report["already"], report["captions"]) == (1, 2, 1)
    (data.images / ".b.png.1.tmp").unlink()
    assert contents(data.root) == whole


def test_nothing_of_the_project_is_overwritten_by_another_source(tmp_path: Path, data: DataFolder):
    run(put(tmp_path / "one", a_png=picture(1), a_txt="first"), data)
    whole = contents(data.root)
    _, skipped = run(put(tmp_path / "two", a_png=picture(2), a_txt="second"), data)
    assert skipped == {"a.png": "the project has another image of this name, images/a.png"}
    _, skipped = run(put(tmp_path / "three", A_png=picture(1)), data)
    assert list(skipped) == ["A.png"]
    _, skipped = run(put(tmp_path / "four", a_png=picture(1), a_txt="fourth"), data)
    assert skipped == {"a.png": "keeps its caption: the project has another one in captions/a.txt"}
    assert contents(data.root) == whole


def test_what_an_image_lost_is_told(tmp_path: Path, data: DataFolder):
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64)).save(buffer, "PNG")
    report, skipped = run(put(tmp_path / "in", a_png=buffer.getvalue()), data)
    assert skipped == {}
    assert report["notes"] == [{"file": "a.png", "reason": "is transparent: composed on white"}]


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
    report, skipped = run(source, data)
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
    _, skipped = run(source, data)
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
    report, skipped = run(source, data)
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
    report, skipped = run(source, data)
    assert report["imported"] == 2 and len(report["without_caption"]) == 2
    assert skipped == {"jpg/image_00003.jpg": "is missing, though imagelabels.mat has its label"}
    run(source, data, class_captions=True)
    assert data.caption("image_00001") == "a photo of a passion flower"
    assert data.caption("image_00002") == "a photo of a pink primrose"


def test_the_names_of_the_flowers_are_in_the_order_of_the_labels():
    known = {1: "pink primrose", 46: "wallflower", 51: "petunia", 73: "water lily", 77: "passion flower"}
    known |= {81: "frangipani", 89: "watercress", 102: "blackberry lily"}
    assert len(set(NAMES)) == 102 and {label: NAMES[label - 1] for label in known} == known


def test_labels_of_another_data_set_are_refused(tmp_path: Path, data: DataFolder):
    with pytest.raises(StageError, match="imagelabels"):
        run(oxford(tmp_path / "flowers", [77, 103]), data)
    (tmp_path / "flowers" / "imagelabels.mat").write_bytes(b"no matrix")
    with pytest.raises(StageError, match="imagelabels"):
        run(tmp_path / "flowers", data)


def test_a_source_of_another_kind_is_refused(tmp_path: Path, data: DataFolder):
    put(tmp_path, a_zip="PK")
    for source in (tmp_path / "a.zip", tmp_path / "missing"):
        with pytest.raises(StageError, match="nothing can be imported"):
            run(source, data)
    with pytest.raises(StageError, match="has no class names"):
        run(put(tmp_path / "in", a_png=picture(1)), data, class_captions=True)
