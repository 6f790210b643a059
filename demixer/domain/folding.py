"""Text without what people leave out when they type: case, accents, ligatures. For search, and what stands in for it.

Letters are folded by NFKD (https://unicode.org/reports/tr15/), and those that it leaves whole are spelled out.
"""

import unicodedata
from collections.abc import Iterable

MAX_CHARACTERS = 400  # of a text; what comes after is not looked at

_SPELLED_OUT = {
    **dict(zip("øłđðħŧı", "olddhti", strict=True)),
    **dict(zip("ىة", "يه", strict=True)),  # Arabic letters that people use one for the other
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ـ": "",
}
# Accents: Latin, Greek and Cyrillic, Hebrew points, Arabic vowels. Highlights of other scripts are letters and stay.
_ACCENTS = ((0x0300, 0x036F), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670))


def fold(text: str) -> str:
    """At most `MAX_CHARACTERS`, with one space between words and none around them. Folding again changes nothing."""
    folded = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS].casefold()).casefold()
    return " ".join(folded.translate(_FOLDING)[:MAX_CHARACTERS].split())


def within(code: int, ranges: Iterable[tuple[int, int]]) -> bool:
    """Whether a code point is in one of `ranges`, both ends included."""
    return any(low <= code <= high for low, high in ranges)


class _Folding(dict[int, str]):
    """A table for `str.translate` that fills itself: each character is looked up once."""

    def __missing__(self, code: int) -> str:
        self[code] = _folded(chr(code))
        return self[code]


def _folded(char: str) -> str:
    kind = unicodedata.category(char)
    if kind[0] == "Z" or kind == "Cc":
        return " "
    if kind[0] == "C" or within(ord(char), _ACCENTS):  # invisible ones, halves of pairs, unassigned
        return ""
    return _SPELLED_OUT.get(char, char)


_FOLDING = _Folding()
