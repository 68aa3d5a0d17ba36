"""Where a project keeps its images and captions: `images/<stem>.<ext>` and `captions/<stem>.txt` below one folder."""

import dataclasses
from pathlib import Path

from ..files import write_atomically
from ..stage import Issue, StageError

IMAGE_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif")
)


@dataclasses.dataclass(frozen=True)
class Sample:
    """An image with its caption."""

    stem: str
    image: Path
    caption: str


class DataFolder:
    """The images and captions of a project."""

    def __init__(self, root: Path):
        self.root = root
        self.images = root / "images"
        self.captions = root / "captions"

    def image_files(self) -> list[Path]:
        """Every image, ordered by name."""
        return sorted(path for path in _files(self.images) if path.suffix.lower() in IMAGE_ENDINGS)

    def require_images(self) -> list[Path]:
        """Every image, ordered by name. Raises StageError where there is none."""
        if files := self.image_files():
            return files
        raise StageError(
            "DATA_INVALID",
            f"{self.images} holds no images",
            "Import some: t2i data import FOLDER",
            (Issue("data.raw", "a folder with images/ and captions/", str(self.root)),),
        )

    def caption_files(self) -> list[Path]:
        """Every caption, ordered by name."""
        return sorted(path for path in _files(self.captions) if path.suffix == ".txt")

    def caption_file(self, stem: str) -> Path:
        return self.captions / f"{stem}.txt"

    def caption(self, stem: str) -> str:
        """The caption of an image, or "" where it has none. Raises StageError where it is not UTF-8."""
        path = self.caption_file(stem)
        try:
            return path.read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            issue = Issue(f"captions/{path.name}", "UTF-8", f"{error.reason} at byte {error.start}")
            raise StageError("DATA_INVALID", f"{path} is not UTF-8", "Save it as UTF-8.", (issue,)) from error

    def write_caption(self, stem: str, caption: str) -> None:
        write_atomically(self.caption_file(stem), lambda path: path.write_text(f"{caption}\n", "utf-8"))

    def samples(self) -> list[Sample]:
        """The images with their captions, ordered by name. Raises StageError that names every image without a caption,
        and every stem that two images share, or where there are no images."""
        samples = []
        issues = []
        stems: dict[str, Path] = {}
        images = self.require_images()
        for image in images:
            if (other := stems.setdefault(image.stem, image)) is not image:
                issues.append(Issue(f"images/{image.name}", "a stem of its own", f"that of {other.name}"))
            try:
                caption = self.caption(image.stem)
            except StageError as error:
                issues += error.issues
                continue
            if not caption:
                issues.append(Issue(f"images/{image.name}", f"a caption in captions/{image.stem}.txt", "none"))
            samples.append(Sample(image.stem, image, caption))
        if issues:
            raise StageError(
                "DATA_INVALID",
                f"{len(issues)} of {len(images)} images cannot be used",
                "Write the captions, or let a model write them: t2i data caption",
                tuple(issues),
            )
        return samples


def _files(folder: Path) -> list[Path]:
    """The files of a folder but hidden ones, such as those that are being written; none where it is missing."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
