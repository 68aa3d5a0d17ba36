"""Word vectors: whole words keep their place in the token table, and the lexicon moves strangers towards what they
mean."""

import json

import numpy as np
import pytest

from t2i_trainer.emoji.export import known_words
from t2i_trainer.emoji.lexicon import Lexicon, retrofit
from t2i_trainer.emoji.words import load_word_vectors, neighbours, token_table


@pytest.fixture
def lexicon(tmp_path):
    """cat (1) <- domestic cat (2) <- kitty (3); a second sense of kitty is a pool of money (4); puss is another word
    of 2."""
    lines = [
        "00000001 05 n 01 cat 0 000 | feline",
        "00000002 05 n 02 domestic_cat 0 puss 0 001 @ 00000001 n 0000 | at home",
        "00000003 05 n 01 kitty 0 001 @ 00000002 n 0000 | familiar",
        "00000004 21 n 01 kitty 0 000 | money",
        "00000005 05 n 01 animal 0 000 | all",
    ]
    index = [
        "cat n 1 0 1 0 00000001",
        "domestic_cat n 1 1 @ 1 0 00000002",
        "puss n 1 1 @ 1 0 00000002",
        "kitty n 2 1 @ 2 0 00000004 00000003",
        "animal n 1 0 1 0 00000005",
    ]
    (tmp_path / "index.noun").write_text("  1 header\n" + "\n".join(index) + "\n")
    (tmp_path / "data.noun").write_text("  1 header\n" + "\n".join(lines) + "\n")
    return Lexicon(tmp_path)


def test_a_word_means_what_is_at_most_two_steps_above_one_of_its_senses(lexicon):
    targets = {"cat": lexicon.senses("cat"), "animal": lexicon.senses("animal")}
    assert lexicon.meanings("kitty", targets) == ["cat"]
    assert lexicon.meanings("puss", targets) == ["cat"]
    assert lexicon.meanings("animal", targets) == []
    assert lexicon.meanings("unknown", targets) == []


def test_compounds_are_found_as_the_lexicon_writes_them(lexicon):
    assert lexicon.senses("domestic cat") == {"00000002"}


def test_retrofitting_moves_strangers_and_leaves_the_captions_words(lexicon):
    words = ["cat", "kitty", "animal", "money"]
    vectors = np.eye(4, dtype=np.float32)
    moved = retrofit(words, vectors, lexicon, ["cat"], fixed={"cat"})
    assert moved == {"cat": ["kitty"]}
    assert np.argmax(vectors[1]) == 0 and vectors[1, 1] > 0
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)
    assert np.array_equal(vectors[[0, 2, 3]], np.eye(4, dtype=np.float32)[[0, 2, 3]])
    kept = np.eye(4, dtype=np.float32)
    assert retrofit(words, kept, lexicon, ["cat"], fixed={"cat", "kitty"}) == {"cat": []}
    assert np.array_equal(kept, np.eye(4))


def test_the_table_keeps_the_angles_between_words():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vocabulary = {"cat</w>": 0, "dog</w>": 1, "ca": 2, "apple</w>": 3}
    table = token_table(vocabulary, ["cat", "dog", "unknown"], vectors, width=8, seed=0)
    assert table.shape == (4, 8)
    assert table[0] @ table[1] == pytest.approx(vectors[0] @ vectors[1], abs=1e-5)
    assert np.array_equal(table, token_table(vocabulary, ["cat", "dog", "unknown"], vectors, width=8, seed=0))


def test_neighbours_belong_to_the_nearest_name_alone():
    words = ["cat", "dog", "kitten", "hound", "stone", "pet"]
    angles = np.radians([0, 90, 15, 80, 225, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    allowed = {"kitten", "hound", "stone", "pet"}
    assert neighbours(["cat", "dog"], words, vectors, allowed) == [["kitten", "pet"], ["hound"]]


def test_vectors_are_read_once_and_centred(packages, tmp_path):
    words, vectors = load_word_vectors(packages, tmp_path / "words.npz")
    again, same = load_word_vectors(tmp_path / "nowhere", tmp_path / "words.npz")
    assert words == again and np.array_equal(vectors, same) and "apple" in words
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_export_knows_the_words_of_the_captions_and_small_words(tmp_path):
    assert known_words(tmp_path) == []
    lines = [{"caption": "A t-shirt, 3d style"}, {"caption": "2 cups of café"}]
    (tmp_path / "samples.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    words = known_words(tmp_path)
    assert words == sorted(words) and {"t", "shirt", "d", "style", "cups", "café", "of", "the"} <= set(words)
    assert "2" not in words and "A" not in words
