"""Oxford-102, flowers of 102 classes (Nilsback and Zisserman, ICVGIP 2008): `jpg/image_00001.jpg`, `imagelabels.mat`.

The split in `setid.mat` is that of a classification task, with an eighth of the images in its training set; a project
makes its own. A caption that names the class alone says nothing of colour or place, so it is made only when asked for.
"""

from collections.abc import Iterator
from pathlib import Path

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from ...stage import Issue, StageError
from .candidate import Candidate, Skipped

# In the order of the labels 1 to 102.
NAMES = (
    "pink primrose", "hard-leaved pocket orchid", "canterbury bells", "sweet pea", "english marigold", "tiger lily",
    "moon orchid", "bird of paradise", "monkshood", "globe thistle", "snapdragon", "colt's foot", "king protea",
    "spear thistle", "yellow iris", "globe-flower", "purple coneflower", "peruvian lily", "balloon flower",
    "giant white arum lily", "fire lily", "pincushion flower", "fritillary", "red ginger", "grape hyacinth",
    "corn poppy", "prince of wales feathers", "stemless gentian", "artichoke", "sweet william", "carnation",
    "garden phlox", "love in the mist", "mexican aster", "alpine sea holly", "ruby-lipped cattleya", "cape flower",
    "great masterwort", "siam tulip", "lenten rose", "barbeton daisy", "daffodil", "sword lily", "poinsettia",
    "bolero deep blue", "wallflower", "marigold", "buttercup", "oxeye daisy", "common dandelion", "petunia",
    "wild pansy", "primula", "sunflower", "pelargonium", "bishop of llandaff", "gaura", "geranium", "orange dahlia",
    "pink-yellow dahlia", "cautleya spicata", "japanese anemone", "black-eyed susan", "silverbush",
    "californian poppy", "osteospermum", "spring crocus", "bearded iris", "windflower", "tree poppy", "gazania",
    "azalea", "water lily", "rose", "thorn apple", "morning glory", "passion flower", "lotus", "toad lily",
    "anthurium", "frangipani", "clematis", "hibiscus", "columbine", "desert-rose", "tree mallow", "magnolia",
    "cyclamen", "watercress", "canna lily", "hippeastrum", "bee balm", "ball moss", "foxglove", "bougainvillea",
    "camellia", "mallow", "mexican petunia", "bromelia", "blanket flower", "trumpet creeper", "blackberry lily",
)  # fmt: skip


def is_oxford(root: Path) -> bool:
    return (root / "imagelabels.mat").is_file() and (root / "jpg").is_dir()


def scan_oxford(root: Path, class_captions: bool) -> Iterator[Candidate | Skipped]:
    """The images by number, each with `a photo of a <class>` where asked for, and the numbers that have no image.
    Raises StageError where the labels cannot be read."""
    labels = _labels(root / "imagelabels.mat")
    expected = {f"image_{number:05}.jpg": label for number, label in enumerate(labels, 1)}
    found = {path.name: path for path in sorted((root / "jpg").iterdir()) if not path.name.startswith(".")}
    for name, path in found.items():
        if name not in expected:
            yield Skipped(f"jpg/{name}", f"has no label: imagelabels.mat holds {len(labels)}")
        elif not path.is_file():
            yield Skipped(f"jpg/{name}", "is not a regular file")
        else:
            caption = f"a photo of a {NAMES[expected[name] - 1]}" if class_captions else None
            yield Candidate(f"jpg/{name}", path.stem, path.stat().st_size, path.read_bytes, caption)
    for name in sorted(expected.keys() - found.keys()):
        yield Skipped(f"jpg/{name}", "is missing, though imagelabels.mat has its label")


def _labels(path: Path) -> list[int]:
    """Labels 1 to 102 of image 1, 2 and so on."""
    try:
        labels = loadmat(path)["labels"].flatten().tolist()
    except (KeyError, ValueError, TypeError, OSError, MatReadError) as error:
        labels, received = [], f"{type(error).__name__}: {error}"
    else:
        received = f"labels from {min(labels, default=0)} to {max(labels, default=0)}"
    if not labels or min(labels) < 1 or max(labels) > len(NAMES):
        raise StageError(
            "DATA_INVALID",
            f"{path} cannot be read",
            "Download imagelabels.mat of Oxford-102 again.",
            (Issue(path.name, f"`labels` from 1 to {len(NAMES)}", received),),
        )
    return [int(label) for label in labels]
