"""Ids that follow from content."""

import hashlib


def derived_id(*parts: object) -> str:
    """An id that follows from content: the same parts give the same id, on every machine, at every replay."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def song_id_of(sha256: str) -> str:
    """The id of the song that a file with these bytes would create."""
    return derived_id("song", sha256)


def separation_id_of(song_id: str, model: str) -> str:
    """`model`: a name that `demixer.separation.models` resolves, such as `htdemucs`."""
    return derived_id("separation", song_id, model)
