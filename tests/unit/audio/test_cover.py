import io
import struct
import zlib

import pytest
from PIL import Image

from demixer.audio.cover import MAX_BYTES, clean_cover


def drawn(kind: str, size: tuple[int, int] = (900, 300), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(out, kind, **options)
    return out.getvalue()


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_it_becomes_a_small_jpeg(kind: str) -> None:
    assert opened(clean_cover(drawn(kind))).size == (600, 200)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "I;16"])
def test_any_pixel_format_is_taken(mode: str) -> None:
    assert opened(clean_cover(drawn("PNG", mode=mode))).size == (600, 200)


def test_cmyk_is_taken() -> None:
    assert opened(clean_cover(drawn("JPEG", mode="CMYK"))).size == (600, 200)


def test_a_small_picture_is_not_blown_up() -> None:
    assert opened(clean_cover(drawn("PNG", (40, 30)))).size == (40, 30)


def test_transparent_parts_become_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(out, "PNG")
    assert opened(clean_cover(out.getvalue())).getpixel((25, 25)) == (255, 255, 255)


def test_metadata_is_removed_and_its_orientation_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees"
    exif[0x010E] = "where I live"
    clean = clean_cover(drawn("JPEG", exif=exif, comment=b"where I live"))
    assert opened(clean).size == (200, 600)
    assert clean is not None
    assert b"where I live" not in clean
    assert not opened(clean).getexif()


def bomb() -> bytes:
    """A PNG of 900 million pixels in a few hundred bytes."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(90_000))),
    ]
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_anything_but_a_picture_is_none() -> None:
    gif, good = drawn("GIF", mode="P"), drawn("PNG")
    for data in (
        b"",
        b"no picture",
        gif,
        good[: len(good) // 2],
        bomb(),
        b"\xff\xd8\xff" + bytes(100),
        bytes(MAX_BYTES + 1),
    ):
        assert clean_cover(data) is None


def test_a_picture_of_very_many_pixels_is_none() -> None:
    out = io.BytesIO()
    Image.new("1", (9_000, 6_000)).save(out, "PNG")
    assert clean_cover(out.getvalue()) is None
