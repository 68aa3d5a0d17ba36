"""Composing: the same scene is the same picture, captions say what is shown, held-out combinations stay out."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from data import build_dataset
from t2i_trainer.captions import SceneChooser, article, held_out, plural
from t2i_trainer.compose import BACKGROUNDS, COLOURS, SCENES, Composer, Scene, background
from t2i_trainer.concepts import HELD_OUT_COLOURS, HELD_OUT_SYNONYMS, Concept, load_concepts
from t2i_trainer.styles import PictureBook

CONCEPTS = [Concept(name, "1f600", "plant-flower", True, ()) for name in ("rose", "tulip", "daisy", "lotus")]


def book_composer(packages, size):
    book, concepts = PictureBook(packages / "node_modules"), load_concepts(packages / "node_modules")
    return Composer(lambda concept, style: book.open(concepts[concept].code, style), size)


def test_same_options_give_the_same_bytes(packages, tmp_path):
    first = build_dataset(tmp_path / "a", packages, count=12, size=64)
    assert build_dataset(tmp_path / "b", packages, count=12, size=64) == first
    assert (tmp_path / "a/pixels.npy").read_bytes() == (tmp_path / "b/pixels.npy").read_bytes()
    other = build_dataset(tmp_path / "c", packages, count=12, size=64, seed=9)
    assert other["fingerprint"] != first["fingerprint"]
    assert all(source["licence"] for source in first["sources"].values())


def test_concepts_come_with_their_plain_names(packages):
    concepts = load_concepts(packages / "node_modules")
    assert [concept.name for concept in concepts] == ["apple", "tulip", "house", "star"]
    assert [concept.recolourable for concept in concepts] == [True, True, False, True]


def test_a_picture_shows_its_background_and_its_colour(packages):
    composer = book_composer(packages, 64)
    for name, colour in BACKGROUNDS.items():
        picture = composer.draw(Scene(0, name))
        assert tuple(picture[1, 1]) == colour
        assert np.abs(picture[32, 32].astype(int) - (220, 30, 30)).max() <= 2
    blue = composer.draw(Scene(0, "white", colour="blue"))[32, 32].astype(int)
    assert blue[2] > blue[0] + 60 and blue[2] > blue[1]
    white = composer.draw(Scene(0, "black", colour="white"))[32, 32]
    assert white.min() > 200


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_as_many_things_as_the_caption_counts(packages, count):
    composer = book_composer(packages, 128)
    picture = composer.draw(Scene(0, "white", count=count, scale=0.8 if count == 1 else 0.4))

    assert ndimage.label(picture[..., 1] < 128)[1] == count


def test_the_petals_take_the_colour_and_the_leaves_keep_theirs():
    flower = Image.new("RGBA", (64, 64), (60, 170, 60, 255))
    flower.paste((230, 60, 150, 255), (0, 0, 64, 24))
    picture = Composer(lambda *_: flower, 64).draw(Scene(0, "white", colour="blue", scale=1.0)).astype(int)
    assert picture[8, 32, 2] > picture[8, 32, 0] + 60
    assert np.abs(picture[50, 32] - (60, 170, 60)).max() <= 3


def test_styles_are_drawn_and_named(packages, tmp_path):
    record = build_dataset(tmp_path, packages, count=60, size=64, styles=("shaded", "flat"))
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert record["concepts"] == 2  # the icon set of the stand-in lacks the others
    assert "@iconify-json/fluent-emoji-flat" in record["sources"] and "@iconify-json/noto" not in record["sources"]
    assert {line["style"] for line in lines} == {"shaded", "flat"}
    assert all(line["caption"].endswith(", flat style") == (line["style"] == "flat") for line in lines)
    composer = book_composer(packages, 64)
    shaded, flat = (composer.draw(Scene(0, "white", style=style))[32, 32].astype(int) for style in ("shaded", "flat"))
    assert np.abs(shaded - (220, 30, 30)).max() <= 2 and np.abs(flat - (10, 200, 20)).max() <= 2


def test_scenes_differ_from_each_other():
    pictures = {background(scene, 32).tobytes() for scene in SCENES}
    assert len(pictures) == len(SCENES)


def test_training_never_sees_a_held_out_combination():
    training, rest = SceneChooser(CONCEPTS, {}, 3), SceneChooser(CONCEPTS, {}, 3, wanted_held_out=True)
    for chooser, wanted in ((training, False), (rest, True)):
        for _ in range(400):
            scene = (sample := chooser.sample()).scene
            name = CONCEPTS[scene.concept].name
            attribute = {
                "count": f"count {scene.count}",
                "colour": f"colour {scene.colour}",
                "background": f"background {scene.background}",
            }.get(sample.kind)
            assert (attribute is not None and held_out(name, attribute)) == wanted


def test_the_held_out_share_is_what_it_says():
    share = np.mean([held_out(f"thing {i}", f"colour {j}") for i in range(100) for j in range(50)])
    assert 0.045 < share < 0.075


def test_no_caption_uses_a_word_of_the_synonym_test():
    chooser = SceneChooser(CONCEPTS, {}, 5)
    samples = [chooser.sample() for _ in range(2000)]
    words = {word for sample in samples for word in sample.caption.replace(",", "").split()}
    assert {sample.scene.colour for sample in samples if sample.kind == "colour"} == {*COLOURS}
    assert {sample.scene.background for sample in samples} == {*BACKGROUNDS, *SCENES}
    assert {sample.scene.count for sample in samples} == {1, 2, 3, 4}
    assert not words & (set(HELD_OUT_SYNONYMS) | set(HELD_OUT_COLOURS))
    assert {"rose", "droplets", "field", "two", "blue"} <= words


def test_captions_are_written_in_the_order_of_the_pictures(packages, tmp_path):
    build_dataset(tmp_path, packages, count=6, size=64)
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    composer = book_composer(packages, 64)
    pixels = np.load(tmp_path / "pixels.npy")
    for line, picture in zip(lines, pixels, strict=True):
        scene = {key: line[key] for key in Scene.__dataclass_fields__}
        assert (composer.draw(Scene(**{**scene, "shift": tuple(scene["shift"])})) == picture).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cats"),
        ("fox", "foxes"),
        ("mouse", "mice"),
        ("cherry", "cherries"),
        ("key", "keys"),
        ("grapes", "grapes"),
        ("bus", "buses"),
        ("fish", "fish"),
    ],
)
def test_plurals(name, expected):
    assert plural(name) == expected


def test_articles():
    assert [article(word) for word in ("apple", "cat", "grapes", "bus", "wine glass")] == [
        "an apple",
        "a cat",
        "grapes",
        "a bus",
        "a wine glass",
    ]
