"""Texts that people send, made safe to keep and to show."""

import unicodedata

# Unicode's embeddings, overrides and isolates: `nice\u202e3pm.exe` would read as `niceexe.mp3`.
DIRECTION_MARKS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
FILE_NAME_LENGTH = 255  # characters of a file name that are kept


def without_control_characters(value: str) -> str:
    """Lone surrogates go, too. Characters that join letters or mark a direction stay: names need them."""
    return "".join(char for char in value if unicodedata.category(char) not in ("Cc", "Cs"))


def file_name(sent: str) -> str:
    """What a browser calls the file, fit to be shown: the last part of a path, no control characters, not endless."""
    last = sent.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return without_control_characters(last).translate(DIRECTION_MARKS).strip()[:FILE_NAME_LENGTH]
