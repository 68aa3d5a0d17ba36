"""Writes the model card from what a run recorded; a number that nobody measured is called so.

    python trainer/card.py --run runs/emoji-128 --data runs/emoji-128/data --out models/emoji-128

Copies `evaluation.json` and `contact-sheet.jpg` beside the card (`README.md`), so that what it says can be checked.
"""

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.card import CardOptions, write_card


def main() -> None:
    write_card(read_options(CardOptions, __doc__))


if __name__ == "__main__":
    main()
