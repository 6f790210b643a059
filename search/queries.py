"""Queries and the texts of songs as words and terms that can be compared. Pure functions, for every engine.

Words are folded (`demixer.domain.folding`): no case, no accents, ligatures and the like spelled out. A word with
punctuation inside is found in two spellings: "Don't" is `dont`, or `don` beside `t`.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from demixer.domain.folding import fold, within

MAX_WORDS = 8  # of a query
MAX_LETTERS = 32  # of a word; longer ones are cut

# Scripts without spaces between words: South-East Asian ones, Japanese, Chinese.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x30FF),
    (0x3400, 0x9FFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a query. It has `parts` if punctuation was inside: "AC/DC" is `acdc`, or `ac` beside `dc`."""

    text: str
    parts: tuple[str, ...] = ()

    @property
    def tolerance(self) -> int:
        """How many typos are forgiven: letters that are wrong, missing, too many or swapped with their neighbour."""
        if len(self.text) < 4 or self.text.isdigit():
            return 0
        return 1 if len(self.text) < 8 else 2

    def begins_one_of(self, terms: Iterable[str]) -> bool:
        terms = list(terms)
        found = [any(term.startswith(part) for term in terms) for part in self.parts]
        return (bool(found) and all(found)) or any(term.startswith(self.text) for term in terms)


def words(query: str) -> tuple[Word, ...]:
    """The words that must be found, at most `MAX_WORDS`. Lone symbols count only when there is nothing else."""
    found = [word for chunk in fold(query).split() if (word := _word(chunk))]
    spoken = [word for word in found if _is_letter(word.text[0])]
    return tuple((spoken or found)[:MAX_WORDS])


def terms(text: str) -> list[str]:
    """The terms that a text is found by: its words, their parts, and in unspaced scripts the suffixes of each word."""
    found: dict[str, None] = {}
    for chunk in fold(text).split():
        word = _word(chunk)
        for piece in (word.text, *word.parts) if word else ():
            found.update(dict.fromkeys(_suffixes(piece)))
        if chunk in ("&", "+"):
            found["and"] = None
    return list(found)


def phrase(text: str | tuple[Word, ...]) -> str:
    """A whole text as one term, to find out whether a query equals it: `dancing_queen`."""
    return "_".join(word.text for word in (words(text) if isinstance(text, str) else text))


def prefixes(term: str) -> list[str]:
    """The prefixes of `term` that a word with a typo is compared with, the term itself last."""
    return [] if term.isdigit() else [term[:size] for size in range(3, len(term) + 1)]


def typo_keys(term: str) -> set[str]:
    """The keys under which `term` is stored, at most 16: `lookup_keys` of any word near it has one of them."""
    if len(term) < 3 or term.isdigit():
        return set()
    tails = (term[at : at + 3] for at in range(3, 8) if at + 3 <= len(term))
    return _deletion_keys(term, 4) | _deletion_keys(term, 5) | {f">{tail}" for tail in tails}


def lookup_keys(word: Word) -> set[str]:
    """The keys under which every term is stored that is within `word.tolerance` of the word, or begins so.

    They are the deletion neighbourhood of the first five letters, or of four, as in SymSpell
    (https://github.com/wolfgarbe/SymSpell): with one typo there, word and term have a key in common. With two typos
    there, letters six to eight have none, and are in the term too, moved by two at most; or letters five and six were
    swapped, and the last key swaps them back.
    """
    text = word.text
    tails = {f">{text[5:8]}", f">{text[4]}{text[6:8]}"} if word.tolerance > 1 else set()
    return _deletion_keys(text, 4 if len(text) < 5 else 5) | tails


def near(word: Word, candidates: Iterable[str], *, limit: int) -> dict[str, int]:
    """The `limit` candidates nearest to `word`, or beginning so, with their distances, which its tolerance bounds.

    The distance is the optimal string alignment distance (restricted Damerau-Levenshtein).
    """
    found, length = _distances(word.text, word.tolerance, list(candidates)), len(word.text)
    nearest = sorted(found, key=lambda term: (found[term], abs(len(term) - length), term))
    return {term: found[term] for term in nearest[:limit]}


def _distances(text: str, tolerance: int, candidates: list[str]) -> dict[str, int]:
    """By candidate, the distance of its prefix that is nearest to `text`."""
    found: dict[str, int] = {}
    for size in range(len(text) - tolerance, len(text) + tolerance + 1):
        cut = [term[:size] for term in candidates]
        for _, distance, at in extract(text, cut, scorer=OSA.distance, score_cutoff=tolerance, limit=None):
            found[candidates[at]] = min(distance, found.get(candidates[at], distance))
    return found


def _deletion_keys(term: str, size: int) -> set[str]:
    head = term[:size]
    return {f"{size}{head}"} | {f"{size}{head[:at]}{head[at + 1 :]}" for at in range(len(head))}


def _word(chunk: str) -> Word | None:
    if chunk.isalnum():
        return Word(chunk[:MAX_LETTERS])
    parts = tuple("".join(group)[:MAX_LETTERS] for letters, group in groupby(chunk, _is_letter) if letters)[:MAX_WORDS]
    text = ("".join(parts) or chunk.replace('"', "").replace("'", ""))[:MAX_LETTERS]
    return Word(text, parts if len(parts) > 1 else ()) if text else None


def _suffixes(term: str) -> Iterator[str]:
    yield term
    if term.isascii():  # most are, and none of those scripts is
        return
    for at in range(1, len(term)):
        if within(ord(term[at - 1]), _UNSPACED) and unicodedata.category(term[at])[0] != "M":
            yield term[at:]


@lru_cache(maxsize=4096)
def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM"
