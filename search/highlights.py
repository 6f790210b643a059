"""Where in a song's texts the words of a query were found: looked for in the texts, so that all engines mark alike."""

import re
from collections.abc import Iterator, Mapping, Sequence

from demixer.ports import Highlights, SongDocument
from search.queries import Word, near, terms

FIELDS = ("artist", "album", "title")
CHUNK = re.compile(r"\S+")
EDGES = re.compile(r"^\W+|\W+$")  # quotes and the like around a word

_Chunk = tuple[str, tuple[int, int], list[str]]  # field, from where to where, terms


def marks_of(asked: Sequence[Word], songs: Sequence[SongDocument]) -> Mapping[str, Highlights]:
    return {song.id: marks(asked, song) for song in songs}


def marks(asked: Sequence[Word], song: SongDocument) -> Highlights:
    """Whole words, in the order of the text. A word with a typo is marked only where the right one is nowhere."""
    chunks = list(_chunks(song))
    found = {(field, span) for word in asked for field, span in _found(word, chunks)}
    return {field: sorted(span for where, span in found if where == field) for field in FIELDS}


def _chunks(song: SongDocument) -> Iterator[_Chunk]:
    for field in FIELDS:
        for match in CHUNK.finditer(getattr(song, field)):
            yield field, _trimmed(match), terms(match[0])


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    """Without the marks around it, unless there is nothing else."""
    kept = EDGES.sub("", match[0]) or match[0]
    start = match.start() + match[0].index(kept)
    return start, start + len(kept)


def _found(word: Word, chunks: Sequence[_Chunk]) -> list[tuple[str, tuple[int, int]]]:
    right = [(field, span) for field, span, found in chunks if _begins(word, found)]
    if right or not word.tolerance:
        return right
    return [(field, span) for field, span, found in chunks if near(word, filter(_is_long, found), limit=1)]


def _begins(word: Word, found: Sequence[str]) -> bool:
    return any(term.startswith(piece) for piece in (word.text, *word.parts) for term in found)


def _is_long(term: str) -> bool:
    return len(term) > 2
