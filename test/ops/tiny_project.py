"""What a tiny project starts from: python test/ops/tiny_project.py FOLDER [--prepare PROJECT]

Writes `source/`, drawn images of flowers with captions, and beside them `text/` and `vae/`, a text encoder with its
tokenizer and an autoencoder, with random weights, in the layouts of transformers and diffusers. --prepare also puts
the images into a project beside them, with text states and latents, ready for training.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "trainer"))

from PIL import Image, ImageDraw

from t2i_trainer.data.embeddings import EmbedOptions, embed
from t2i_trainer.data.latents import LatentOptions, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.golden.tiny_networks import modules
from t2i_trainer.golden.tiny_tokenizer import write_tokenizer_files

COLOURS = {"red": (210, 40, 40), "blue": (50, 70, 210), "green": (40, 160, 70), "yellow": (235, 205, 40)}
SIDE = 64


def draw_flowers(folder: Path) -> None:
    """A flower of each colour on the ground of each colour, with a caption beside each; one image has none."""
    folder.mkdir(parents=True)
    pairs = [(flower, ground) for flower in COLOURS for ground in COLOURS]
    for index, (flower, ground) in enumerate(pairs):
        image = Image.new("RGB", (SIDE, SIDE), COLOURS[ground])
        pen = ImageDraw.Draw(image)
        for x, y in ((32, 16), (16, 32), (48, 32), (32, 48)):
            pen.ellipse([x - 10, y - 10, x + 10, y + 10], fill=COLOURS[flower])
        pen.ellipse([24, 24, 40, 40], fill=(250, 250, 250))
        image.save(folder / f"flower-{index:02}.png")
        (folder / f"flower-{index:02}.txt").write_text(f"a {flower} flower on a {ground} background\n")


def main() -> None:
    folder = Path(sys.argv[1])
    draw_flowers(folder / "source")
    clip, _, vae = modules(seed=3, channels=4, factor=8, sample_size=SIDE // 8)
    write_tokenizer_files(folder / "text")
    clip.save_pretrained(folder / "text")
    vae.save_pretrained(folder / "vae")
    if "--prepare" in sys.argv:
        prepare(folder, Path(sys.argv[sys.argv.index("--prepare") + 1]))


def prepare(folder: Path, project: Path) -> None:
    data = DataFolder(project / "data/raw/dataset")
    data.images.mkdir(parents=True)
    for path in sorted((folder / "source").glob("*.png")):
        shutil.copy(path, data.images)
        data.write_caption(path.stem, path.with_suffix(".txt").read_text().strip())
    embed(EmbedOptions(model="../text", max_length=16), project, data)
    prepare_latents(LatentOptions(model="../vae", image_size=(SIDE, SIDE)), project, data)


if __name__ == "__main__":
    main()
