"""Trains the autoencoder on the images that data.py wrote, then encodes every image once; the same command resumes.

python trainer/train_vae.py --data runs/emoji-128/data --val runs/emoji-128/val --out runs/emoji-128/vae
"""

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.train_autoencoder import AutoencoderOptions, train_autoencoder, write_latents


def main() -> None:
    options = read_options(AutoencoderOptions, __doc__)
    train_autoencoder(options)
    for folder in (options.data, options.val, *options.also_encode):
        write_latents(folder, options.out, options.device, options.precision)


if __name__ == "__main__":
    main()
