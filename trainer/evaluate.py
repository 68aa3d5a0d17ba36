"""Measures a run: does each image show what its caption asked for, do seeds differ, are edges sharp?

    python trainer/evaluate.py --run runs/emoji-128 --data runs/emoji-128/data --held-out runs/emoji-128/held-out \\
        --judge runs/emoji-128/judge

Writes `evaluation.json` and `contact-sheet.jpg` into the run folder. Suites: captions of the training data,
combinations that training left out, and words that no caption used (t2i_trainer/emoji/exam.json). The seed of image i
of a suite is i.
"""

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.evaluate import EvaluateOptions, evaluate


def main() -> None:
    evaluate(read_options(EvaluateOptions, __doc__))


if __name__ == "__main__":
    main()
