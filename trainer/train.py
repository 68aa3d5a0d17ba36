"""Trains the denoiser on the latents that train_vae.py wrote, with the text encoder of train_text.py; the same command
resumes.

    python trainer/train.py --data runs/emoji-128/data --val runs/emoji-128/val --text runs/emoji-128/text \\
        --out runs/emoji-128

Writes `unet/` and `text_encoder/` (EMA weights), `scheduler/`, two checkpoints, `options.json` and `metrics.jsonl`,
and at its end `trained.json`. The text encoder goes on learning at a tenth of the rate. On a CPU a resumed run has the
same weights as one never stopped.
"""

import os

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.train_denoiser import DenoiserOptions, train_denoiser


def main() -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    train_denoiser(read_options(DenoiserOptions, __doc__))


if __name__ == "__main__":
    main()
