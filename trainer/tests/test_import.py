"""Importing folders of images and captions."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_sources import contents, import_from, picture, put

from t2i_trainer.data.layout import DataFolder
from t2i_trainer.stage import StageError


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "project" / "data")


def test_a_folder_with_captions_beside_its_images(tmp_path: Path, data: DataFolder):
    source = put(tmp_path / "in", a_jpg=picture(1, "JPEG"), a_txt="a rose\r\nin a vase", b_png=picture(2), b_txt="b")
    before = contents(source)
    report, skipped = import_from(source, data)
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
    assert import_from(source, data)[0]["captions"] == 2
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
    report, skipped = import_from(tmp_path / "in", data)
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
        import_from(put(tmp_path / "in", a_png=picture(1), metadata_csv="file,caption\na.png,x\n"), data)
    assert "file_name" in caught.value.issues[0].expected
    (tmp_path / "in" / "metadata.csv").unlink()
    put(tmp_path / "in", metadata_jsonl='{"file_name": "a.png"}\nnot json\n')
    assert len(import_from(tmp_path / "in", data)[1]) == 2


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
    report, skipped = import_from(source, data)
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
        import_from(source, data, strict=True)
    assert [issue.option for issue in caught.value.issues] == ["b.png", "c.txt"]
    assert not data.root.exists()
    (source / "b.png").unlink()
    (source / "c.txt").unlink()
    assert import_from(source, data, strict=True)[0]["imported"] == 1


def test_importing_again_changes_nothing_and_goes_on_where_it_was_interrupted(tmp_path: Path, data: DataFolder):
    source = put(
        tmp_path / "in", a_jpg=picture(1, "JPEG"), a_txt="a", b_gif=picture(2, "GIF"), b_txt="b", c_png=picture(3)
    )
    import_from(source, data)
    data.write_caption("c", "written by hand")
    whole = contents(data.root)
    report, skipped = import_from(source, data)
    assert (report["imported"], report["already"], report["captions"], skipped) == (0, 3, 0, {})
    assert contents(data.root) == whole and report["without_caption"] == []
    (data.images / "b.png").unlink()
    data.caption_file("a").unlink()
    (data.images / ".b.png.1.tmp").write_bytes(b"half")
    report, _ = import_from(source, data)
    assert (report["imported"], report["already"], report["captions"]) == (1, 2, 1)
    (data.images / ".b.png.1.tmp").unlink()
    assert contents(data.root) == whole


def test_nothing_of_the_project_is_overwritten_by_another_source(tmp_path: Path, data: DataFolder):
    import_from(put(tmp_path / "one", a_png=picture(1), a_txt="first"), data)
    whole = contents(data.root)
    _, skipped = import_from(put(tmp_path / "two", a_png=picture(2), a_txt="second"), data)
    assert skipped == {"a.png": "the project has another image of this name, images/a.png"}
    _, skipped = import_from(put(tmp_path / "three", A_png=picture(1)), data)
    assert list(skipped) == ["A.png"]
    _, skipped = import_from(put(tmp_path / "four", a_png=picture(1), a_txt="fourth"), data)
    assert skipped == {"a.png": "keeps its caption: the project has another one in captions/a.txt"}
    assert contents(data.root) == whole


def test_what_an_image_lost_is_told(tmp_path: Path, data: DataFolder):
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64)).save(buffer, "PNG")
    report, skipped = import_from(put(tmp_path / "in", a_png=buffer.getvalue()), data)
    assert skipped == {}
    assert report["notes"] == [{"file": "a.png", "reason": "is transparent: composed on white"}]


def test_a_source_of_another_kind_is_refused(tmp_path: Path, data: DataFolder):
    put(tmp_path, a_zip="PK")
    for source in (tmp_path / "a.zip", tmp_path / "missing"):
        with pytest.raises(StageError, match="nothing can be imported"):
            import_from(source, data)
    with pytest.raises(StageError, match="has no class names"):
        import_from(put(tmp_path / "in", a_png=picture(1)), data, class_captions=True)
