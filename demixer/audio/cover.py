"""Cover pictures: whatever is embedded in a file becomes a small JPEG without metadata, or none."""

import io

from PIL import Image, ImageOps

MAX_SIDE = 600  # pixels, of width and height
MAX_BYTES = 20 * 1024 * 1024  # some taggers embed whole scans
_MAX_PIXELS = 50_000_000  # checked before anything is decoded: 150 MB as RGB
_FORMATS = ("JPEG", "PNG", "WEBP")


def clean_cover(data: bytes) -> bytes | None:
    """A JPEG of at most 600 x 600 without metadata, from a JPEG, PNG or WebP. None where it is damaged or huge."""
    if not 0 < len(data) <= MAX_BYTES:
        return None
    try:
        return _jpeg(data)
    except Exception:  # Pillow raises many kinds on damaged pictures: each means that there is no cover
        return None


def _jpeg(data: bytes) -> bytes | None:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        if picture.width * picture.height > _MAX_PIXELS:
            return None
        picture.draft("RGB", (MAX_SIDE * 2, MAX_SIDE * 2))  # lets a JPEG decode at a fraction of its size
        upright = ImageOps.exif_transpose(picture)
        upright.thumbnail((MAX_SIDE, MAX_SIDE))
        out = io.BytesIO()
        _on_white(upright).save(out, "JPEG", quality=85, optimize=True)
        return out.getvalue()


def _on_white(picture: Image.Image) -> Image.Image:
    """As RGB without metadata. Transparent parts become white."""
    layer = picture.convert("RGBA")
    page = Image.new("RGB", layer.size, "white")
    page.paste(layer, mask=layer.getchannel("A"))
    return page
