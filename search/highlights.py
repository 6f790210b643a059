"""Where in a song's texts the words of a query were found. Computed from the texts, so that all engines agree."""

import re
from collections.abc import Iterator, Mapping, Sequence

from demixer.ports import Highlights, SongDocument
from search.queries import Word, near, terms

FIELDS = ("artist", "album", "title")
CHUNK = re.compile(r"\S+")
EDGES = re.compile(r"^\W+|\W+$")  # quotes and the like around a word

_Chunk = tuple[str, tuple[int, int], list[str]]  # field, start and end in its text, terms


def highlights_of(asked: Sequence[Word], songs: Sequence[SongDocument]) -> Mapping[str, Highlights]:
    return {song.id: highlights(asked, song) for song in songs}


def highlights(asked: Sequence[Word], song: SongDocument) -> Highlights:
    """Whole words, in the order of the text. A near term is highlighted only where the word itself is not found."""
    chunks = list(_chunks(song))
    found = {(field, span) for word in asked for field, span in _found(word, chunks)}
    return {field: sorted(span for where, span in found if where == field) for field in FIELDS}


def _chunks(song: SongDocument) -> Iterator[_Chunk]:
    for field in FIELDS:
        for match in CHUNK.finditer(getattr(song, field)):
            yield field, _trimmed(match), terms(match[0])


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    """Start and end without the punctuation around it, unless there is nothing else."""
    kept = EDGES.sub("", match[0]) or match[0]
    start = match.start() + match[0].index(kept)
    return start, start + len(kept)


def _found(word: Word, chunks: Sequence[_Chunk]) -> list[tuple[str, tuple[int, int]]]:
    exact = [(field, span) for field, span, found in chunks if _begins(word, found)]
    if exact or not word.tolerance:
        return exact
    return [(field, span) for field, span, found in chunks if near(word, filter(_is_long, found), limit=1)]


def _begins(word: Word, found: Sequence[str]) -> bool:
    return any(term.startswith(piece) for piece in (word.text, *word.parts) for term in found)


def _is_long(term: str) -> bool:
    return len(term) > 2
