"""The embedded fingerprint index beside a million songs: `python -m benchmarks.fingerprint_index [--songs 1000000]`.

Baselines of the same run: the postings as one sorted, memory-mapped array (what a look-up costs at least; no song can
be added), and with `--table` the plain table that the index was before. Promised for a million songs: a look-up by
both alignments takes under 2 ms (median) and 10 ms (99th percentile), warm; adding a song takes under 20 ms (median); a
song takes under 1.2 KB of disk. Exit status 1 where one is broken.

A warm look-up is judged by the time it was at work: it waits for no disk, and how long it waits for a processor is the
doing of whatever else runs. Both are printed.
"""

import os
import resource
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter, thread_time

import click
import numpy as np

from benchmarks.fingerprint_baselines import PlainTable, SortedArray
from benchmarks.fingerprints import SEED, Synthetic, changed, originals, stored, transcodes
from benchmarks.report import TIMES_HEADER, milliseconds, percentile, print_table, times
from demixer.adapters.common.hit_counts import KeyHashes, key_hashes_of
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from demixer.recognition.fingerprint import Items

LIMIT = 50
LONGEST = 6  # tracks that are left out of those looked for, to save time; the others have two minutes or less
PROMISED = (  # what, at most, unit
    ("look-up, both alignments, warm, at work, median", 2.0, "ms"),
    ("look-up, both alignments, warm, at work, p99", 10.0, "ms"),
    ("adding a song, median", 20.0, "ms"),
    ("a song on disk", 1200.0, "bytes"),
)
MILLION = 1_000_000  # songs: what is promised is promised for so many

Variants = Sequence[bytes]
LookUp = Callable[[Variants], object]


@click.command()
@click.option("--songs", "count", default=1_000_000)
@click.option("--lookups", default=1_000)
@click.option("--adds", default=300)
@click.option("--tracks", default=6, help="Real tracks among the songs, whose transcodes are looked for.")
@click.option("--table", is_flag=True, help="Also the plain table that the index was before.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where there is room: 50 GB for ten million songs.")
def main(count: int, lookups: int, adds: int, tracks: int, table: bool, folder: Path | None) -> None:
    real = originals()
    synthetic = Synthetic(np.concatenate(list(real.values())))
    hidden = dict(list(real.items())[LONGEST : LONGEST + tracks])
    queries = list(_queries(synthetic, min(lookups, count - tracks)))
    with tempfile.TemporaryDirectory(dir=folder) as work:
        path = Path(work) / "index.db"
        size = _build(path, count, partial(_all, hidden, synthetic, count))
        rows = [*_baselines(path, queries, table)]
        warm, added = _measure(path, queries, adds, rows, hidden)
    measured = (percentile(warm, 50), percentile(warm, 99), percentile(added, 50), size)
    sys.exit(0 if _kept(measured) or count != MILLION else 1)


def _build(path: Path, count: int, songs: Callable[[], Iterator[tuple[str, KeyHashes]]]) -> float:
    """Bytes a song."""
    index, clock = SqliteFingerprints(path), _Clock()
    index.load(clock.watched(songs()))
    took = clock.now()
    index.close()
    bytes_ = path.stat().st_size
    print(f"{count:,} songs: {bytes_ / 1e6:,.0f} MB, {bytes_ / count:.0f} bytes a song")
    aside = clock.read - clock.making
    print(f"built in {took:.1f} s: making the songs {clock.making:.1f}, putting them aside {aside:.1f}, ", end="")
    print(f"writing {took - clock.read:.1f} (other writers wait)")
    print(f"peak memory of all that {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB\n")
    return bytes_ / count


def _baselines(path: Path, queries: Sequence[Variants], table: bool) -> Iterator[list[object]]:
    array = SortedArray(path.with_name("array"), path)
    print(f"sorted array: {array.bytes / 1e6:,.0f} MB")
    yield from _rows("sorted array", *_warm(partial(array.candidates, limit=LIMIT), queries))
    path.with_name("array").unlink()
    if table:
        began, plain = perf_counter(), PlainTable(path.with_name("table.db"), path)
        print(f"plain table: {plain.bytes / 1e6:,.0f} MB, in {perf_counter() - began:.0f} s")
        yield from _rows("plain table", *_warm(partial(plain.candidates, limit=LIMIT), queries))


def _measure(
    path: Path, queries: Sequence[Variants], adds: int, rows: list[list[object]], real: dict[str, Items]
) -> tuple[list[float], list[float]]:
    before = _memory()
    with closing(SqliteFingerprints(path)) as index:
        warm = _warm(partial(index.candidates, limit=LIMIT), queries)
        own, mapped = (after - earlier for after, earlier in zip(_memory(), before, strict=True))
        print(f"memory that look-ups took: {own:.0f} MB, and {mapped:.0f} MB of the file, mapped\n")
        one = _warm(partial(index.candidates, limit=LIMIT), [query[:1] for query in queries])
    rows += [*_rows("index, both alignments", *warm), *_rows("index, one alignment", *one)]
    rows += [times("index, both alignments, cold", [_cold(path, query) for query in queries[:100]])]
    with closing(SqliteFingerprints(path)) as index:
        added = _added(index, adds)
        print_table(TIMES_HEADER, [*rows, times("index, adding a song", added)])
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        _show_recall(index, real)
    return warm[1], added


def _rows(name: str, taken: list[float], working: list[float]) -> list[list[object]]:
    return [times(f"{name}, warm", taken), times("  of it at work", working)]


def _memory() -> tuple[float, float]:
    """MB of this process alone, and MB of files that it maps."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(lines[name].split()[0]) / 1000 for name in ("RssAnon", "RssFile"))
    return own, mapped


def _warm(look_up: LookUp, queries: Sequence[Variants]) -> tuple[list[float], list[float]]:
    """The second time that each is looked up: milliseconds, and those without waiting for a processor."""
    for query in queries:
        look_up(query)
    taken, working = [], []
    for query in queries:
        before = thread_time()
        taken.append(milliseconds(partial(look_up, query)))
        working.append((thread_time() - before) * 1000)
    return taken, working


def _cold(path: Path, query: Variants) -> float:
    """With nothing of the file in memory, neither the system's nor that of a connection."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with closing(SqliteFingerprints(path)) as index:
        return milliseconds(partial(index.candidates, query, limit=LIMIT))


def _added(index: SqliteFingerprints, adds: int) -> list[float]:
    random = np.random.default_rng(SEED)
    new = [stored(random.integers(0, 2**32, 1900, dtype=np.uint32)) for _ in range(adds)]
    return [milliseconds(partial(index.add, secrets.token_hex(10), fingerprint)) for fingerprint in new]


def _show_recall(index: SqliteFingerprints, real: dict[str, Items]) -> None:
    found: dict[str, list[tuple[bool, bool]]] = {}
    for name, path, variants in transcodes(list(real)):
        one, two = (path in index.candidates(some, limit=LIMIT) for some in (variants[:1], variants))
        found.setdefault(name, []).append((one, two))
    print(f"\n{len(real)} real tracks among all these: their transcodes found among {LIMIT} candidates")
    rows = [(name, *(sum(hits) for hits in zip(*both, strict=True))) for name, both in found.items()]
    print_table(("", "one alignment", "both alignments"), rows)


def _kept(measured: Sequence[float]) -> bool:
    print()
    for (what, most, unit), value in zip(PROMISED, measured, strict=True):
        print(f"{what}: {value:.2f} {unit} (promised: under {most:g}){'' if value < most else ': BROKEN'}")
    return all(value < most for (_, most, _), value in zip(PROMISED, measured, strict=True))


def _queries(synthetic: Synthetic, count: int) -> Iterator[Variants]:
    """Transcodes of songs that are there: half their items are equal in one alignment, a tenth in the other."""
    random = np.random.default_rng(SEED)
    songs = (items for batch in range(count) for items in synthetic.items(batch))
    for items in islice(songs, count):
        yield stored(changed(items, random, 0.5)), stored(changed(items, random, 0.1))


def _all(real: dict[str, Items], synthetic: Synthetic, count: int) -> Iterator[tuple[str, KeyHashes]]:
    yield from synthetic.songs(count - len(real))
    for path, items in real.items():
        yield path, key_hashes_of(stored(items))


class _Clock:
    """Seconds since the beginning: that making songs took, and until the last one was read."""

    def __init__(self) -> None:
        self._began, self.making, self.read = perf_counter(), 0.0, 0.0

    def now(self) -> float:
        return perf_counter() - self._began

    def watched(self, songs: Iterator[tuple[str, KeyHashes]]) -> Iterator[tuple[str, KeyHashes]]:
        asked = self.now()
        for song in songs:
            self.making += self.now() - asked
            yield song
            asked = self.now()
        self.read = self.now()


if __name__ == "__main__":
    main()
