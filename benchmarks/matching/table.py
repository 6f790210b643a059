"""The results in markdown: a row for each transform, then each requirement and whether it is met."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.matching import baseline, engines, unrelated, verdicts
from benchmarks.matching.sources import Song
from benchmarks.matching.transforms import BY_NAME, Group
from benchmarks.matching.verdicts import Outcome
from demixer.domain import MatchVerdict
from demixer.recognition.thresholds import MAX_BIT_ERROR_RATE

LINKED = (MatchVerdict.MIX, MatchVerdict.UNSURE, MatchVerdict.EDIT, MatchVerdict.VERSION)
Rows = Mapping[str, list[Outcome]]
Proposed = Mapping[str, set[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Requirement:
    name: str
    result: str
    is_met: bool


def show(work: Path, songs: Sequence[Song]) -> bool:
    """True where every requirement is met."""
    rows = _by_transform(outcome for song in songs for outcome in verdicts.outcomes(song))
    proposed = engines.proposed(work)
    for group in Group:
        print(f"\n| {group} | files | {' | '.join(f'same, {name}' for name in proposed)} | linked | nothing |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, found in rows.items():
            if BY_NAME[name].group is group:
                print(_row(name, found, proposed))
    requirements = [*_of_rows(rows, proposed), *_of_unrelated(songs), _of_time(work)]
    print("\n| requirement | result | |\n| --- | --- | --- |")
    for one in requirements:
        print(f"| {one.name} | {one.result} | {'met' if one.is_met else '**missed**'} |")
    return all(one.is_met for one in requirements)


def _by_transform(outcomes: Iterator[Outcome]) -> Rows:
    rows: dict[str, list[Outcome]] = {name: [] for name in BY_NAME}
    for one in outcomes:
        rows[one.transform].append(one)
    return {name: found for name, found in rows.items() if found}


def _row(name: str, found: Sequence[Outcome], proposed: Proposed) -> str:
    shares = [f"{_share(found, some):.1%}" for some in proposed.values()]
    linked = sum(one.verdict in LINKED for one in found)
    nothing = sum(one.verdict is MatchVerdict.DIFFERENT for one in found)
    return f"| {name} | {len(found)} | {' | '.join(shares)} | {linked} | {nothing} |"


def _share(found: Sequence[Outcome], proposed: set[tuple[str, str]]) -> float:
    """The same by the verdict, and proposed by the index."""
    return sum(_same(one) and (one.song, one.transform) in proposed for one in found) / max(1, len(found))


def _same(outcome: Outcome) -> bool:
    return outcome.verdict is MatchVerdict.SAME


def _of_rows(rows: Rows, proposed: Proposed) -> Iterator[Requirement]:
    for engine, some in proposed.items():
        shares = {name: _share(found, some) for name, found in _of(rows, Group.KEPT).items()}
        all_ = _share([one for found in _of(rows, Group.KEPT).values() for one in found], some)
        worst = min(shares, key=lambda name: shares[name])
        result = f"{all_:.2%}, the worst row {shares[worst]:.1%} ({worst})"
        name = f"recall by {engine}: 99.5 %, each row 98 %"
        yield Requirement(name, result, all_ >= 0.995 and shares[worst] >= 0.98)
    yield _accepted(rows, Group.OTHER, "another recording: 0 accepted", 0.0)
    yield _accepted(rows, Group.MIX, "another mix: at most 1 % accepted", 0.01)
    yield _accepted(rows, Group.EDIT, "another edit: never accepted", 0.0)
    edits = [one for found in _of(rows, Group.EDIT).values() for one in found]
    linked = sum(one.verdict in LINKED for one in edits) / max(1, len(edits))
    yield Requirement("another edit: linked in 90 %", f"{linked:.1%}", linked >= 0.9)
    late = [one.lag_error for found in rows.values() for one in found if _same(one) and one.lag_error is not None]
    worst_late = max(late, default=0.0)
    yield Requirement("offset when reused: under 1 ms off", f"{worst_late:.2f} ms at most", worst_late < 1)


def _of(rows: Rows, group: Group) -> Rows:
    return {name: found for name, found in rows.items() if BY_NAME[name].group is group}


def _accepted(rows: Rows, group: Group, name: str, most: float) -> Requirement:
    found = [one for some in _of(rows, group).values() for one in some]
    wrong: dict[str, int] = defaultdict(int)
    for one in found:
        wrong[one.transform] += _same(one)
    named = ", ".join(f"{count} {transform}" for transform, count in wrong.items() if count)
    count = sum(wrong.values())
    return Requirement(name, f"{count} of {len(found)}{f' ({named})' if named else ''}", count <= most * len(found))


def _of_unrelated(songs: Sequence[Song]) -> Iterator[Requirement]:
    compared = {song.name: unrelated.results(song) for song in songs}
    pairs, nearest = sum(one.pairs for one in compared.values()), min(one.nearest for one in compared.values())
    near = Counter((name, one.other, one.verdict) for name, found in compared.items() for one in found.matches)
    for (name, other, verdict), files in sorted(near.items()):
        print(f"{name} beside {other}: {verdict}, {files} files")
    same = sum(files for (_, _, verdict), files in near.items() if verdict == MatchVerdict.SAME)
    margin = f"the nearest differs in {nearest:.3f} of its bits, {MAX_BIT_ERROR_RATE} at most is the same"
    yield Requirement("unrelated songs: 0 accepted", f"{same} of {pairs:,} pairs; {margin}", not same)


def _of_time(work: Path) -> Requirement:
    medians = baseline.measured(work)
    ratio = medians.get("pyacoustid", 0.0) / medians["one variant"]
    shown = ", ".join(f"{name} {taken:.2f} ms" for name, taken in medians.items())
    return Requirement(
        "a pair of fingerprints: 200 times faster than pyacoustid", f"{ratio:.0f} times ({shown})", ratio >= 200
    )
