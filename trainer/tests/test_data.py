"""Composing: the same scene is the same image, captions say what is shown, held-out combinations stay out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from t2i_trainer.emoji.captions import SceneChooser, held_out
from t2i_trainer.emoji.compose import Composer
from t2i_trainer.emoji.concepts import Concept, load_concepts
from t2i_trainer.emoji.dataset import DatasetOptions, build_dataset, style_share
from t2i_trainer.emoji.english import article, plural
from t2i_trainer.emoji.exam import load_exam
from t2i_trainer.emoji.grounds import background
from t2i_trainer.emoji.near_words import CaptionWords, near_words
from t2i_trainer.emoji.scene import BACKGROUNDS, COLOURS, SCENES, Placement, Scene
from t2i_trainer.emoji.sprites import SpriteFeatures, keys_of
from t2i_trainer.emoji.styles import PictureBook

CONCEPTS = [Concept(name, "1f600", "plant-flower", True, ()) for name in ("rose", "tulip", "daisy", "lotus")]


def one(colour=None, background="white", **options):
    """A scene of one thing in the middle."""
    style = options.pop("style", "shaded")
    return Scene(background, (Placement(0, colour, 0.5, 0.5, options.pop("side", 0.8), **options),), style)


def book_composer(packages, size):
    book, concepts = PictureBook(packages / "node_modules"), load_concepts(packages / "node_modules")
    return Composer(lambda concept, style: book.open(concepts[concept].code, style), size)


def test_same_options_give_the_same_bytes(packages, tmp_path, monkeypatch):
    monkeypatch.setattr("t2i_trainer.emoji.dataset.CHUNK", 5)
    first = build_dataset(DatasetOptions(out=tmp_path / "a", packages=packages, workers=1, count=12, size=64))
    assert build_dataset(DatasetOptions(out=tmp_path / "b", packages=packages, workers=1, count=12, size=64)) == first
    assert (tmp_path / "a/pixels.npy").read_bytes() == (tmp_path / "b/pixels.npy").read_bytes()
    other = build_dataset(DatasetOptions(out=tmp_path / "c", packages=packages, workers=1, count=12, size=64, seed=9))
    assert build_dataset(DatasetOptions(out=tmp_path / "d", packages=packages, count=12, size=64, workers=2)) == first
    assert (tmp_path / "a/pixels.npy").read_bytes() == (tmp_path / "d/pixels.npy").read_bytes()
    assert other["fingerprint"] != first["fingerprint"]
    assert all(source["licence"] for source in first["sources"].values())


def test_concepts_come_with_their_plain_names(packages):
    concepts = load_concepts(packages / "node_modules")
    assert [concept.name for concept in concepts] == ["apple", "tulip", "house", "star"]
    assert all(concept.recolourable for concept in concepts)


def test_a_image_shows_its_background_and_its_colour(packages):
    composer = book_composer(packages, 64)
    for name, colour in BACKGROUNDS.items():
        image = composer.draw(one(background=name))
        assert tuple(image[1, 1]) == colour
        assert np.abs(image[32, 32].astype(int) - (220, 30, 30)).max() <= 2
    blue = composer.draw(one("blue"))[32, 32].astype(int)
    assert blue[2] > blue[0] + 60 and blue[2] > blue[1]
    white = composer.draw(one("white", "black"))[32, 32]
    assert white.min() > 200


def test_as_many_things_as_the_caption_counts(packages):
    composer = book_composer(packages, 128)
    chooser = SceneChooser(load_concepts(packages / "node_modules")[:1], {}, 3, kinds={"count": 1})
    seen = set()
    while len(seen) < 5:
        sample = chooser.sample()
        if sample.scene.background == "white" and "colour" not in sample.asked:
            image = composer.draw(sample.scene)
            assert ndimage.label(image[..., 1] < 128)[1] == sample.asked["count"], sample.caption
            seen.add(sample.asked["count"])
    assert seen == {1, 2, 3, 4, 5}


def test_a_thing_is_turned_and_mirrored():
    half = Image.new("RGBA", (64, 64))
    half.paste((220, 30, 30, 255), (0, 0, 32, 64))
    composer = Composer(lambda *_: half, 64)
    left, right, turned = (
        composer.draw(one(side=1.0, **options)) for options in ({}, {"mirrored": True}, {"angle": 90.0})
    )
    assert left[32, 10, 1] < 60 < right[32, 10, 1] and right[32, 54, 1] < 60
    assert turned[54, 32, 1] < 60 < turned[10, 32, 1], "counter-clockwise brings the left side down"


def test_the_petals_take_the_colour_and_the_leaves_keep_theirs():
    flower = Image.new("RGBA", (64, 64), (60, 170, 60, 255))
    flower.paste((230, 60, 150, 255), (0, 0, 64, 24))
    image = Composer(lambda *_: flower, 64).draw(one("blue", side=1.0)).astype(int)
    assert image[8, 32, 2] > image[8, 32, 0] + 60
    assert np.abs(image[50, 32] - (60, 170, 60)).max() <= 3


def test_styles_are_drawn_and_named(packages, tmp_path):
    record = build_dataset(
        DatasetOptions(out=tmp_path, packages=packages, workers=1, count=60, size=64, styles={"shaded": 1, "flat": 1})
    )
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert record["concepts"] == 2  # the icon set of the stand-in lacks the others
    assert "@iconify-json/fluent-emoji-flat" in record["sources"] and "@iconify-json/noto" not in record["sources"]
    assert {line["style"] for line in lines} == {"shaded", "flat"}
    assert all(line["caption"].endswith(" flat style") == (line["style"] == "flat") for line in lines)
    composer = book_composer(packages, 64)
    shaded, flat = (composer.draw(one(style=style))[32, 32].astype(int) for style in ("shaded", "flat"))
    assert np.abs(shaded - (220, 30, 30)).max() <= 2 and np.abs(flat - (10, 200, 20)).max() <= 2


def test_scenes_differ_from_each_other():
    images = {background(scene, 32).tobytes() for scene in SCENES}
    assert len(images) == len(SCENES)


def test_training_never_sees_a_held_out_combination():
    training, rest = SceneChooser(CONCEPTS, {}, 3), SceneChooser(CONCEPTS, {}, 3, wanted_held_out=True)
    for chooser, wanted in ((training, False), (rest, True)):
        kinds = set()
        for _ in range(600):
            scene = (sample := chooser.sample()).scene
            first, last = scene.placements[0], scene.placements[-1]
            attribute = {
                "count": f"count {len(scene.placements)}",
                "colour": f"colour {first.colour}",
                "plain": f"background {scene.background}",
                "pair": f"with {CONCEPTS[last.concept].name}",
            }.get(sample.kind)
            assert (attribute is not None and held_out(CONCEPTS[first.concept].name, attribute)) == wanted
            kinds.add(sample.kind)
        assert {"count", "colour", "plain"} <= kinds


def test_a_caption_says_where_things_stand():
    chooser = SceneChooser(CONCEPTS, {}, 4)
    seen = set()
    for _ in range(3000):
        sample = chooser.sample()
        first, last = sample.scene.placements[0], sample.scene.placements[-1]
        words = sample.caption
        if sample.kind == "position":
            place = sample.asked["position"]
            assert place in words
            axis, low = {"on the left": ("x", True), "on the right": ("x", False), "at the top": ("y", True)}.get(
                place, ("y", False)
            )
            assert (getattr(first, axis) < 0.4) if low else (getattr(first, axis) > 0.6)
            seen.add(place)
        if sample.kind == "pair":
            assert (first.y < last.y - 0.3) if " above " in words else (first.x < last.x - 0.3)
            assert words.index(CONCEPTS[first.concept].name) < words.rindex(CONCEPTS[last.concept].name)
            seen.add("pair")
        if sample.kind == "size":
            assert (first.side < 0.45) == ("small" in words) and (first.side > 0.9) == ("big" in words)
            seen.add(sample.asked["size"])
        if sample.kind in ("plain", "colour"):
            assert 0.55 < first.side < 0.95 and first.x - first.side / 2 + 0.02 > 0 and first.x + first.side / 2 < 1.02
    assert seen >= {"on the left", "on the right", "at the top", "at the bottom", "pair", "small", "big"}


def test_the_held_out_share_is_what_it_says():
    share = np.mean([held_out(f"thing {i}", f"colour {j}") for i in range(100) for j in range(50)])
    assert 0.045 < share < 0.075


def test_no_caption_uses_a_word_of_the_exam(packages):
    exam = load_exam()
    concepts = load_concepts(packages / "node_modules")
    chooser = SceneChooser([*CONCEPTS, *concepts], {}, 5)
    samples = [chooser.sample() for _ in range(3000)]
    words = {word for sample in samples for word in sample.caption.replace(",", "").split()}
    assert {sample.scene.placements[0].colour for sample in samples if sample.kind == "colour"} == {*COLOURS}
    assert {sample.scene.background for sample in samples} == {*BACKGROUNDS, *SCENES}
    assert not words & exam.words
    assert {"rose", "droplets", "field", "two", "blue", "above"} <= words
    assert len(exam.prompts) == 40 and len(exam.synonyms) == 20 and set(exam.colours.values()) <= set(COLOURS)


def test_captions_are_written_in_the_order_of_the_images(packages, tmp_path, monkeypatch):
    monkeypatch.setattr("t2i_trainer.emoji.dataset.CHUNK", 4)
    build_dataset(DatasetOptions(out=tmp_path, packages=packages, workers=1, count=6, size=64))
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    composer = book_composer(packages, 64)
    pixels = np.load(tmp_path / "pixels.npy")
    for line, image in zip(lines, pixels, strict=True):
        assert (composer.draw(Scene.parse(line)) == image).all()


def test_styles_are_named_on_the_command_line():
    assert style_share("flat=0.2") == ("flat", 0.2) and style_share("cartoon") == ("cartoon", 1.0)
    with pytest.raises(Exception, match="expected one of shaded, flat, cartoon, received oil"):
        style_share("oil=1")


def test_near_words_stand_for_whole_names(packages):
    samples = [
        {
            "caption": "a carrot and two red cars",
            "placements": [{"concept": 0, "colour": None}, {"concept": 1, "colour": "red"}],
        }
    ]
    concepts = [{"name": "carrot", "aliases": []}, {"name": "car", "aliases": []}]
    words = CaptionWords(samples, concepts, {"car": ["sedan"], "red": ["rosy"]}, 1.0, 0)
    assert words.at(0, 7) == "a carrot and two rosy sedans"
    assert CaptionWords(samples, concepts, {"car": ["sedan"]}, 0.0, 0).at(0, 7) == samples[0]["caption"]


def test_no_word_of_the_exam_is_near_enough_to_train_on(packages):
    exam = load_exam().words
    assert {"cottage", "navy", "residence"} <= exam, "things, colours, and words of earlier exams"
    vocabulary = {f"{word}</w>": i for i, word in enumerate(("house", "dwelling", "residence", "apple", "fruit"))}
    words, _, near = near_words(packages, vocabulary, [{"caption": "a house"}], ["house"])
    assert {"dwelling", "residence"} <= set(words) and "dwelling" in near["house"]
    assert not {word for words in near.values() for word in words} & exam


def test_sprites_are_those_that_a_caption_names_in_its_order(packages):
    composer = book_composer(packages, 64)
    pair = Scene("red", (Placement(2, None, 0.3, 0.5, 0.4), Placement(0, "blue", 0.7, 0.5, 0.4)))
    scenes = [pair, one(), one(background="black", side=0.3)]
    assert keys_of(pair) == [(2, "shaded", None), (0, "shaded", "blue")]
    sprites = SpriteFeatures(scenes, composer)
    first, second, third = sprites.batch(torch.arange(3))
    assert first.shape == (2, 64, 32) and 0.9 < sprites.share <= 1
    assert torch.equal(second, third), "neither ground nor size matters"
    assert not torch.equal(first[1], second[0]) and (second[1] == second[1][0]).all(), "no second thing: empty"


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
        ("tomato", "tomatoes"),
        ("deer", "deer"),
    ],
)
def test_plurals(name, expected):
    assert plural(name) == expected


def test_articles():
    words = ("apple", "cat", "grapes", "bus", "wine glass", "unicorn", "umbrella", "bread", "small popcorn")
    expected = ["an apple", "a cat", "grapes", "a bus", "a wine glass", "a unicorn", "an umbrella", "bread"]
    assert [article(word) for word in words] == [*expected, "small popcorn"]
