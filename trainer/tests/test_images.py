"""Image files of every kind become 8-bit RGB, or are refused with the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from t2i_trainer.data.images import ImageRefused, decode, decode_rgb


def encoded(image: Image.Image, file_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    depth = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], depth), dtype=np.uint8)
    return Image.frombytes(mode, size, values.tobytes())


def test_a_plain_jpeg_is_unchanged_and_a_plain_png_is_not():
    assert decode(encoded(noise(), "JPEG")).unchanged
    png = decode(encoded(noise()))
    assert not png.unchanged and png.notes == ()
    assert np.array_equal(png.image, noise())


def test_an_image_is_turned_upright_by_its_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(noise(), "JPEG", exif=exif))
    assert turned.image.size == (16, 24) and not turned.unchanged


def test_16_bit_grey_is_scaled_and_not_clipped():
    values = np.array([[0, 128, 257, 32767, 65535]], dtype=np.uint16)
    decoded = decode(encoded(Image.fromarray(values)))
    assert np.asarray(decoded.image)[0, :, 0].tolist() == [0, 0, 1, 127, 255]
    assert decoded.notes == ("has 16-bit values: scaled to 8 bits",)


def test_16_bit_of_a_portable_graymap_is_scaled_too():
    data = b"P5 3 1 65535\n" + struct.pack(">3H", 0, 32768, 65535)
    assert np.asarray(decode_rgb(data))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_without_a_range_are_refused(mode: str):
    with pytest.raises(ImageRefused, match="32-bit values"):
        decode(encoded(Image.new(mode, (4, 4), 7), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_transparency_is_composed_on_white(mode: str):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode) if mode in ("RGBA", "LA") else Image.new(mode, (4, 4))
    options = {} if mode in ("RGBA", "LA") else {"transparency": 0}
    decoded = decode(encoded(image, **options))
    assert np.asarray(decoded.image).min() == 255
    assert decoded.notes == ("is transparent: composed on white",)


def test_neither_a_transparent_colour_nor_a_profile_gets_into_the_file_written():
    grey = Image.new("RGB", (4, 4), (9, 9, 9))
    for options in ({"transparency": (9, 9, 9)}, {"icc_profile": b"profile of CMYK"}):
        written = Image.open(io.BytesIO(encoded(decode(encoded(grey, **options)).image)))
        assert written.info == {}


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P"])
def test_other_modes_become_rgb(mode: str):
    image = noise().convert(mode)
    decoded = decode(encoded(image, "TIFF"))
    assert decoded.image.mode == "RGB"
    assert np.array_equal(decoded.image, image.convert("RGB"))
    assert ("CMYK" in str(decoded.notes)) == (mode == "CMYK")


def test_a_cmyk_jpeg_is_not_kept():
    assert not decode(encoded(noise("CMYK"), "JPEG")).unchanged


def test_of_an_animation_the_first_frame_is_used():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    decoded = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert decoded.image.getpixel((0, 0)) == (255, 0, 0)
    assert decoded.notes == ("holds 3 frames: the first is used",)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_file_is_refused(file_format: str):
    data = encoded(noise(size=(64, 64)), file_format)
    with pytest.raises(ImageRefused):
        decode(data[: len(data) * 2 // 3])


def test_what_is_no_image_is_refused():
    for data in (b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        with pytest.raises(ImageRefused, match="not an image of a known format"):
            decode(data)


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (10_000, 30_000):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        with pytest.raises(ImageRefused, match="would decode to more than"):
            decode(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))
