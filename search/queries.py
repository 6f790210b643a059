"""What a person typed and what a song is called, as words that can be compared. Pure text work, for every engine.

Words are folded (`demixer.domain.folding`): no case, no accents, ligatures and the like spelled out. A mark inside a
word
leaves two ways to write it, and both are found: "Don't" is `dont`, or `don` beside `t`.
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
MAX_LETTERS = 32  # of a word; longer ones are compared by their beginning

# Scripts that put no spaces between words: South-East Asian ones, Japanese, Chinese.
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
    """One word of a query. `parts` are not empty where a mark was inside: "AC/DC" is `acdc`, or `ac` beside `dc`."""

    text: str
    parts: tuple[str, ...] = ()

    @property
    def tolerance(self) -> int:
        """How many letters may be wrong, missing, too many or swapped with their neighbour."""
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
    """What a text is found by: its words, each also as its parts, and in unspaced scripts from every letter on."""
    found: dict[str, None] = {}
    for chunk in fold(text).split():
        word = _word(chunk)
        for piece in (word.text, *word.parts) if word else ():
            found.update(dict.fromkeys(_beginnings(piece)))
        if chunk in ("&", "+"):
            found["and"] = None
    return list(found)


def phrase(text: str | tuple[Word, ...]) -> str:
    """A whole text as one term, to tell whether a query is all of it: `dancing_queen`."""
    return "_".join(word.text for word in (words(text) if isinstance(text, str) else text))


def heads(term: str) -> list[str]:
    """The beginnings of `term` that a word with a typo may be compared with, the term itself last."""
    return [] if term.isdigit() else [term[:size] for size in range(3, len(term) + 1)]


def neighbourhood(term: str) -> set[str]:
    """The keys under which `term` is kept, so that `lookups` of anything near it shares one. At most 16."""
    if len(term) < 3 or term.isdigit():
        return set()
    tails = (term[at : at + 3] for at in range(3, 8) if at + 3 <= len(term))
    return _head_keys(term, 4) | _head_keys(term, 5) | {f">{tail}" for tail in tails}


def lookups(word: Word) -> set[str]:
    """The keys to look under for terms within `word.tolerance` of the word, or beginning so.

    Heads are a deletion neighbourhood of the first five letters (as in SymSpell, https://github.com/wolfgarbe/SymSpell),
    or of four: one error there leaves a common key. Two errors there leave none in letters six to eight, which then are
    in the term too, moved by two at most; or else letters five and six were swapped, and are swapped back here.
    """
    text = word.text
    tails = {f">{text[5:8]}", f">{text[4]}{text[6:8]}"} if word.tolerance > 1 else set()
    return _head_keys(text, 4 if len(text) < 5 else 5) | tails


def near(word: Word, candidates: Iterable[str], *, limit: int) -> dict[str, int]:
    """Those candidates that are `word` but for its tolerance, or begin so: the nearest `limit`, with their distance.

    The distance is the restricted one of Damerau and Levenshtein (optimal string alignment).
    """
    found, length = _distances(word.text, word.tolerance, list(candidates)), len(word.text)
    nearest = sorted(found, key=lambda term: (found[term], abs(len(term) - length), term))
    return {term: found[term] for term in nearest[:limit]}


def _distances(text: str, tolerance: int, candidates: list[str]) -> dict[str, int]:
    """Of the beginning of each candidate that is nearest to `text`."""
    found: dict[str, int] = {}
    for size in range(len(text) - tolerance, len(text) + tolerance + 1):
        beginnings = [term[:size] for term in candidates]
        for _, distance, at in extract(text, beginnings, scorer=OSA.distance, score_cutoff=tolerance, limit=None):
            found[candidates[at]] = min(distance, found.get(candidates[at], distance))
    return found


def _head_keys(term: str, size: int) -> set[str]:
    head = term[:size]
    return {f"{size}{head}"} | {f"{size}{head[:at]}{head[at + 1 :]}" for at in range(len(head))}


def _word(chunk: str) -> Word | None:
    if chunk.isalnum():
        return Word(chunk[:MAX_LETTERS])
    parts = tuple("".join(group)[:MAX_LETTERS] for letters, group in groupby(chunk, _is_letter) if letters)[:MAX_WORDS]
    text = ("".join(parts) or chunk.replace('"', "").replace("'", ""))[:MAX_LETTERS]
    return Word(text, parts if len(parts) > 1 else ()) if text else None


def _beginnings(term: str) -> Iterator[str]:
    yield term
    if term.isascii():  # most are, and none of those scripts is
        return
    for at in range(1, len(term)):
        if within(ord(term[at - 1]), _UNSPACED) and unicodedata.category(term[at])[0] != "M":
            yield term[at:]


@lru_cache(maxsize=4096)
def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM"
