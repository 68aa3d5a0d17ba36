"""Image files of any kind to 8-bit RGB, or the reason why not."""

import dataclasses
import io
import warnings

import numpy as np
from PIL import Image, ImageOps

# Read by Pillow itself: no format that starts another program (EPS) or is only found by guessing.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
MAX_FILE_BYTES = 256 * 2**20
WHITE = (255, 255, 255, 255)


class ImageRefused(Exception):
    """The message says why an image cannot be used."""


@dataclasses.dataclass(frozen=True)
class Decoded:
    image: Image.Image
    """8-bit RGB, upright."""
    unchanged: bool
    """Whether the file is a JPEG that any reader decodes to `image`."""
    notes: tuple[str, ...]
    """What was done to it that loses something, in words."""


def decode(data: bytes) -> Decoded:
    """Decodes a whole image file: upright by its EXIF orientation, the first frame, transparency composed on white,
    16-bit grey values scaled by 255 / 65535, all in RGB. Colour profiles are not applied.

    Raises ImageRefused for what is damaged, not an image, too large to decode safely, or has no 8-bit meaning.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ImageRefused(f"has {len(data)} bytes: expected at most {MAX_FILE_BYTES}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode(data)
        except ImageRefused:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ImageRefused(f"would decode to more than {Image.MAX_IMAGE_PIXELS} pixels") from None
        except Image.UnidentifiedImageError:
            raise ImageRefused(f"is not an image of a known format ({', '.join(FORMATS)})") from None
        # Pillow's readers raise errors of a dozen kinds at damaged files: SyntaxError, struct.error, KeyError ...
        except Exception as error:
            raise ImageRefused(f"is damaged: {error}") from error


def decode_rgb(data: bytes) -> Image.Image:
    """The image of `decode`."""
    return decode(data).image


def _decode(data: bytes) -> Decoded:
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        frames = getattr(opened, "n_frames", 1)
        opened.load()
        orientation = opened.getexif().get(0x0112, 1)
        upright = ImageOps.exif_transpose(opened)
        notes = [f"holds {frames} frames: the first is used"] if frames > 1 else []
        rgb = _to_rgb(upright, opened.format, notes)
    unchanged = opened.format == "JPEG" and opened.mode == "RGB" and orientation == 1
    # What a format keeps beside the pixels, such as a transparent colour, must not get into the file written.
    rgb.info.clear()
    return Decoded(rgb, unchanged, tuple(notes))


def _to_rgb(image: Image.Image, file_format: str | None, notes: list[str]) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PPM"):
        notes.append("has 16-bit values: scaled to 8 bits")
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ImageRefused(f"has 32-bit values (mode {image.mode}), whose range is unknown: expected 8 or 16 bits")
    if image.has_transparency_data:
        notes.append("is transparent: composed on white")
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, WHITE), opaque).convert("RGB")
    if image.mode == "CMYK":
        notes.append("has CMYK colours: converted to RGB without a colour profile")
    return image.copy() if image.mode == "RGB" else image.convert("RGB")
