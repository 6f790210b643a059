"""What each file is taken for beside the song that it was made of: as `demixer.services.comparisons` does it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from benchmarks.matching.kinds import Kind, kinds_of
from benchmarks.matching.making import Analysis, heard
from benchmarks.matching.sources import Song
from demixer.recognition import mixes, reference, similarity
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.similarity import Likeness

OUTCOMES = "outcomes.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    song: str
    kind: str
    finding: str  # "same", "mix", "unsure", "edit", "version", "different"
    bit_error_rate: float
    coverage: float
    added: float = 0.0
    without: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    late: float | None = None  # milliseconds that its lag is off


def judge(song: Song, again: bool = False) -> None:
    """All its files that were not judged yet, or all of them again."""
    judged = [] if again else outcomes(song)
    known = {one.kind for one in judged}
    judged += _outcomes(song, [kind for kind in kinds_of(song.played) if kind.name not in known])
    unfinished = song.folder / "outcomes.new"
    unfinished.write_text("".join(json.dumps(asdict(one)) + "\n" for one in judged))
    unfinished.rename(song.folder / OUTCOMES)


def outcomes(song: Song) -> list[Outcome]:
    kept = song.folder / OUTCOMES
    return [Outcome(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []


def _outcomes(song: Song, kinds: Sequence[Kind]) -> Iterator[Outcome]:
    known, fingerprint = reference_of(song), Fingerprint.from_bytes(song.print)
    for kind in kinds:
        if file := heard(song, kind):
            yield _outcome(song, kind, file, known, similarity.compare(fingerprint, file.prints))


def reference_of(song: Song) -> Reference:
    known = reference.read(song.folder / reference.FILE, song.stems)
    assert known is not None, f"{song.folder} has a damaged reference: remove it"
    return known


def _outcome(song: Song, kind: Kind, file: Analysis, known: Reference, like: Likeness) -> Outcome:
    finding, found = by_sound(like, file, known)
    located = found.alignment if found else None
    return Outcome(
        song=song.name,
        kind=kind.name,
        finding=finding,
        bit_error_rate=like.bit_error_rate,
        coverage=like.coverage,
        added=found.added if found else 0.0,
        without=found.without if found else (),
        changed=tuple(f"{name} {level:+} dB" for name, level in found.changed.items()) if found else (),
        late=abs(located.lag / RATE - kind.lag) * 1000 if located else None,
    )


def by_sound(like: Likeness, file: Analysis, known: Reference) -> tuple[str, mixes.Mix | None]:
    if not like.same:
        return like.kind.value, None
    found = mixes.compare(reference.as_float(file.sound), known, round(like.offset * RATE))
    if found.alignment is None:
        return ("edit" if like.sure else "version"), found
    return ("same" if found.same else "mix" if found.sure else "unsure"), found
