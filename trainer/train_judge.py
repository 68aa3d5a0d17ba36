"""Trains a judge on the composed images of data.py, apart from the model it will judge, and states its accuracy on
images it has not seen.

    python trainer/train_judge.py --data runs/emoji-128/data --test runs/emoji-128/val --out runs/emoji-128/judge

One judge is for decisions while a model is trained; another, of another body and seed, is for the final measurement and
is asked once.
"""

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.train_judge import JudgeOptions, train_judge


def main() -> None:
    train_judge(read_options(JudgeOptions, __doc__))


if __name__ == "__main__":
    main()
