"""Search over 100,000 songs, beside a plain `LIKE '%query%'` scan of the same songs: `python -m benchmarks.search`.

Promised: 95 of 100 searches take less than 20 ms. `--songs` and `--rounds` change the size; the seed is fixed.
"""

import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path

import click

from benchmarks.report import TIMES_HEADER, milliseconds, percentile, print_table, times
from demixer.ports import SearchPage, SongDocument
from search.sqlite.search_index import SqliteSearch

SEED = 20_240_601
PROMISED_MS = 20.0
PAGE = 20
WORDS = 60_000  # in titles and names; the first few are as common as they are in real catalogues
COMMON = ["the", "love", "you", "me", "my", "in", "a", "of", "to", "and", "on", "i", "no", "one", "la", "de", "night"]
ONSETS = ["b", "br", "c", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "tr", "v"]
SYLLABLES = [onset + vowel for onset in ONSETS for vowel in ("a", "e", "i", "o", "u", "ai", "ea", "ou")]
ENDINGS = ["", "", "n", "r", "s", "t", "l", "nd", "ng", "er", "ing", "ly"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SCAN = "SELECT id FROM songs WHERE artist LIKE ? OR title LIKE ? OR album LIKE ? LIMIT 20"


class Songs:
    """Plausible songs: words by Zipf's law, artists with a handful to a few hundred songs each."""

    def __init__(self, count: int) -> None:
        self._random = random.Random(SEED)
        self._words = [*COMMON, *(self._word() for _ in range(WORDS))]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._words))))
        self._artists = [self.text(1, 3) for _ in range(max(1, count // 12))]
        popularity = list(accumulate(1 / (rank + 20) for rank in range(len(self._artists))))
        self.documents = [
            self._document(number, artist)
            for number, artist in enumerate(self._random.choices(self._artists, cum_weights=popularity, k=count))
        ]

    def text(self, least: int, most: int) -> str:
        chosen = self._random.choices(self._words, cum_weights=self._weights, k=self._random.randint(least, most))
        return " ".join(chosen).title()

    def queries(self, count: int) -> Iterator[tuple[str, str]]:
        """Kind and query, every kind equally often."""
        for _ in range(count):
            song = self._random.choice(self.documents)
            yield from ((kind, make(self, song)) for kind, make in KINDS.items())

    def typo(self, text: str) -> str:
        """One letter of the longest word wrong, missing, too many, or swapped."""
        word = max(text.split(), key=len)
        if len(word) < 4:
            return text
        at, letter = self._random.randrange(len(word) - 1), self._random.choice(LETTERS)
        swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
        typos = [
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            swapped,
        ]
        return text.replace(word, self._random.choice(typos))

    def cut(self, text: str) -> str:
        return text[: self._random.randint(1, len(text))]

    def common(self, count: int) -> str:
        return " ".join(self._random.choices(COMMON, k=count))

    def letters(self, count: int) -> str:
        return " ".join(self._random.choices(LETTERS, k=count))

    def _word(self) -> str:
        return "".join(self._random.choices(SYLLABLES, k=self._random.randint(1, 4))) + self._random.choice(ENDINGS)

    def _document(self, number: int, artist: str) -> SongDocument:
        return SongDocument(
            id=f"{number:020x}",
            artist=artist,
            album=self.text(1, 4),
            title=self.text(1, 6),
            year=self._random.randint(1950, 2025),
            duration=self._random.uniform(90, 480),
            cover=True,
            plays=int(self._random.paretovariate(0.8)) - 1,
            revision=1,
        )


KINDS: Mapping[str, Callable[[Songs, SongDocument], str]] = {
    "title": lambda songs, song: song.title,
    "artist": lambda songs, song: song.artist,
    "artist and title": lambda songs, song: f"{song.artist} {song.title}",
    "as one types": lambda songs, song: songs.cut(f"{song.title} {song.artist}"),
    "one letter": lambda songs, song: songs.letters(1),
    "three letters": lambda songs, song: songs.letters(3),
    "common word": lambda songs, song: songs.common(1),
    "common words": lambda songs, song: songs.common(3),
    "typo": lambda songs, song: songs.typo(song.title),
    "typos": lambda songs, song: f"{songs.typo(song.artist)} {songs.typo(song.title)}",
    "typo, cut": lambda songs, song: songs.cut(songs.typo(song.title)),
    "nothing": lambda songs, song: f"{songs.typo(song.title)} jqxzvkw",
}


@click.command()
@click.option("--songs", "count", default=100_000)
@click.option("--rounds", default=200, help="Queries of each kind.")
@click.option("--scans", default=10, help="Queries of each kind that the baseline answers too.")
def main(count: int, rounds: int, scans: int) -> None:
    songs = Songs(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "search.db"
        index = SqliteSearch(path)
        print(f"index built in {milliseconds(lambda: index.rebuild(songs.documents)) / 1000:.1f} s, ", end="")
        print(f"{path.stat().st_size / 1e6:.0f} MB for {count} songs\n")
        promise_kept = _compare(songs, index, path, rounds, scans)
        index.close()
    sys.exit(0 if promise_kept else 1)


def _compare(songs: Songs, index: SqliteSearch, path: Path, rounds: int, scans: int) -> bool:
    ours = _timed(songs.queries(rounds), partial(_search, index))
    connection = sqlite3.connect(path)
    scan = _timed(songs.queries(scans), partial(_scan, connection))
    connection.close()
    print_table(TIMES_HEADER, [*(times(kind, ours[kind]) for kind in ours), _all("all", ours), _all("LIKE scan", scan)])
    p95, baseline = (percentile(_flat(taken), 95) for taken in (ours, scan))
    print(f"\np95 {p95:.2f} ms (promised: under {PROMISED_MS:.0f}), {baseline / p95:.1f} times as fast as the scan's")
    return p95 < PROMISED_MS


def _timed(queries: Iterator[tuple[str, str]], search: Callable[[str], object]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {}
    for kind, query in queries:
        taken.setdefault(kind, []).append(milliseconds(partial(search, query)))
    return taken


def _search(index: SqliteSearch, query: str) -> SearchPage:
    return index.search(query, limit=PAGE)


def _scan(connection: sqlite3.Connection, query: str) -> list[object]:
    return connection.execute(SCAN, (f"%{query}%",) * 3).fetchall()


def _all(name: str, taken: Mapping[str, list[float]]) -> list[object]:
    return times(name, _flat(taken))


def _flat(taken: Mapping[str, list[float]]) -> list[float]:
    return [one for kind in taken.values() for one in kind]


if __name__ == "__main__":
    main()
