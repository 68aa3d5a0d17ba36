"""What a project's model is asked to draw when it is evaluated."""

from pathlib import Path

from ..stage import Issue, StageError

GALLERY = (
    "A bright yellow sunflower with green leaves",
    "A red rose with water droplets on its petals",
    "A purple lavender field at sunset",
    "A white daisy on a grassy meadow",
    "A pink cherry blossom tree in spring",
)
# Of the CLIP score: far from most training data, so that scores of different models can be compared.
CLIP_PROMPTS = (
    "a photo of an astronaut riding a horse on mars",
    "A high tech solarpunk utopia in the Amazon rainforest",
    "A pikachu fine dining with a view to the Eiffel Tower",
    "A mecha robot in a favela in expressionist style",
    "an insect robot preparing a delicious meal",
    "A small cabin on top of a snowy mountain in the style of Disney, artstation",
)


def gallery_prompts(project: Path) -> tuple[str, ...]:
    """The lines of the project's `prompts.txt`, or GALLERY where it has none.

    Raises StageError OPTION_INVALID for a file without a prompt or that is not text.
    """
    file = project / "prompts.txt"
    if not file.exists():
        return GALLERY
    try:
        prompts = tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    except UnicodeDecodeError:
        prompts = ()
    if not prompts:
        issue = Issue(str(file), "a prompt on each line, in UTF-8", "none")
        raise StageError("OPTION_INVALID", f"{file}: expected a prompt on each line", "Or remove the file.", (issue,))
    return prompts
