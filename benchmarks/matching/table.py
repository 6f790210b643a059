"""What came out, in markdown: a row for each kind of file, then the promises of the issue and whether they are kept."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.matching import baseline, engines, judging, strangers
from benchmarks.matching.judging import Outcome
from benchmarks.matching.kinds import BY_NAME, Group
from benchmarks.matching.sources import Song
from demixer.recognition.similarity import MAX_ERROR_RATE

LINKED = ("mix", "unsure", "edit", "version")
Rows = Mapping[str, list[Outcome]]
Proposed = Mapping[str, set[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Promise:
    what: str
    reached: str
    kept: bool


def show(work: Path, songs: Sequence[Song]) -> bool:
    """True where every promise is kept."""
    rows = _by_kind(outcome for song in songs for outcome in judging.outcomes(song))
    proposed = engines.proposed(work)
    for group in Group:
        print(f"\n| {group} | files | {' | '.join(f'same, {name}' for name in proposed)} | linked | nothing |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, found in rows.items():
            if BY_NAME[name].group is group:
                print(_row(name, found, proposed))
    promises = [*_of_rows(rows, proposed), *_of_strangers(songs), _of_time(work)]
    print("\n| promised | reached | |\n| --- | --- | --- |")
    for one in promises:
        print(f"| {one.what} | {one.reached} | {'kept' if one.kept else '**missed**'} |")
    return all(one.kept for one in promises)


def _by_kind(outcomes: Iterator[Outcome]) -> Rows:
    rows: dict[str, list[Outcome]] = {name: [] for name in BY_NAME}
    for one in outcomes:
        rows[one.kind].append(one)
    return {name: found for name, found in rows.items() if found}


def _row(name: str, found: Sequence[Outcome], proposed: Proposed) -> str:
    shares = [f"{_share(found, some):.1%}" for some in proposed.values()]
    linked = sum(one.finding in LINKED for one in found)
    nothing = sum(one.finding == "different" for one in found)
    return f"| {name} | {len(found)} | {' | '.join(shares)} | {linked} | {nothing} |"


def _share(found: Sequence[Outcome], proposed: set[tuple[str, str]]) -> float:
    """The same by the rule, and proposed by the index."""
    return sum(_same(one) and (one.song, one.kind) in proposed for one in found) / max(1, len(found))


def _same(outcome: Outcome) -> bool:
    return outcome.finding == "same"


def _of_rows(rows: Rows, proposed: Proposed) -> Iterator[Promise]:
    for engine, some in proposed.items():
        shares = {name: _share(found, some) for name, found in _of(rows, Group.KEPT).items()}
        all_ = _share([one for found in _of(rows, Group.KEPT).values() for one in found], some)
        worst = min(shares, key=lambda name: shares[name])
        reached = f"{all_:.2%}, the worst row {shares[worst]:.1%} ({worst})"
        what = f"recall by {engine}: 99.5 %, each row 98 %"
        yield Promise(what, reached, all_ >= 0.995 and shares[worst] >= 0.98)
    yield _accepted(rows, Group.OTHER, "another recording: 0 accepted", 0.0)
    yield _accepted(rows, Group.MIX, "another mix: at most 1 % accepted", 0.01)
    yield _accepted(rows, Group.EDIT, "another edit: never accepted", 0.0)
    edits = [one for found in _of(rows, Group.EDIT).values() for one in found]
    linked = sum(one.finding in LINKED for one in edits) / max(1, len(edits))
    yield Promise("another edit: linked in 90 %", f"{linked:.1%}", linked >= 0.9)
    late = [one.late for found in rows.values() for one in found if _same(one) and one.late is not None]
    worst_late = max(late, default=0.0)
    yield Promise("offset when reused: under 1 ms off", f"{worst_late:.2f} ms at most", worst_late < 1)


def _of(rows: Rows, group: Group) -> Rows:
    return {name: found for name, found in rows.items() if BY_NAME[name].group is group}


def _accepted(rows: Rows, group: Group, what: str, most: float) -> Promise:
    found = [one for some in _of(rows, group).values() for one in some]
    wrong: dict[str, int] = defaultdict(int)
    for one in found:
        wrong[one.kind] += _same(one)
    named = ", ".join(f"{count} {kind}" for kind, count in wrong.items() if count)
    count = sum(wrong.values())
    return Promise(what, f"{count} of {len(found)}{f' ({named})' if named else ''}", count <= most * len(found))


def _of_strangers(songs: Sequence[Song]) -> Iterator[Promise]:
    met = {song.name: strangers.met(song) for song in songs}
    pairs, nearest = sum(one.pairs for one in met.values()), min(one.nearest for one in met.values())
    near = Counter((name, one.other, one.finding) for name, found in met.items() for one in found.near)
    for (name, other, finding), files in sorted(near.items()):
        print(f"{name} beside {other}: {finding}, {files} files")
    same = sum(files for (_, _, finding), files in near.items() if finding == "same")
    margin = f"the nearest differs in {nearest:.3f} of its bits, {MAX_ERROR_RATE} at most is the same"
    yield Promise("unrelated songs: 0 accepted", f"{same} of {pairs:,} pairs; {margin}", not same)


def _of_time(work: Path) -> Promise:
    medians = baseline.measured(work)
    ratio = medians.get("pyacoustid", 0.0) / medians["one phase"]
    shown = ", ".join(f"{name} {taken:.2f} ms" for name, taken in medians.items())
    return Promise("a pair of prints: 200 times faster than pyacoustid", f"{ratio:.0f} times ({shown})", ratio >= 200)
