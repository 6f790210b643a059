"""What `demixer migrate` rests on: two things compared in one pass, and a note in the target of what it was made of."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from demixer.domain import derived_id
from demixer.ports import Files
from demixer.runtime.settings import Settings
from demixer.services.storage import store_bytes

NOTES = "migrations"  # the folder of the file store that holds the notes, which are nobody's files
NAMED = 5  # of those that differ, how many are named

Pair = tuple[str, str | None, str | None]  # a name, what the source has under it, what the target has


class Tally:
    """How many, and one SHA-256 over all of them in the order they came."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, name: str, content: str | None) -> None:
        if content is not None:
            self.count += 1
            self._hash.update(f"{len(name)} {len(content)} {name} {content}\n".encode())

    @property
    def checksum(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    name: str
    source: Tally
    target: Tally
    differing: int
    named: Sequence[str]  # the first of those that differ

    @property
    def equal(self) -> bool:
        return self.differing == 0 and self.source.checksum == self.target.checksum


def compared(name: str, pairs: Iterable[Pair]) -> Comparison:
    """`pairs` in an order that the contents alone decide, so that a checksum means the same in another run."""
    source, target, named, differing = Tally(), Tally(), list[str](), 0
    for label, ours, theirs in pairs:
        source.add(label, ours)
        target.add(label, theirs)
        if ours != theirs:
            differing += 1
            named += [label] if len(named) < NAMED else []
    return Comparison(name=name, source=source, target=target, differing=differing, named=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Lies in the target's file store while, and after, it is made equal to the source."""

    source: Sequence[str]
    target: Sequence[str]
    begun_at: str
    finished_at: str = ""

    @property
    def key(self) -> str:
        return f"{NOTES}/{derived_id('migration', *self.source, *self.target)}.json"

    def finished(self, now: datetime) -> "Note":
        return replace(self, finished_at=now.isoformat(timespec="seconds"))


def note_of(source: Settings, target: Settings, now: datetime) -> Note:
    return Note(source=places(source), target=places(target), begun_at=now.isoformat(timespec="seconds"))


def places(settings: Settings) -> Sequence[str]:
    """Where an installation keeps what cannot be made anew: which one it is."""
    return [place(url) for url in (settings.catalogue_url, settings.accounts_url, settings.files_url)]


def place(url: str) -> str:
    """`url` without who asks: another user or password is the same place."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def read_note(files: Files, note: Note) -> Note | None:
    """The one that an earlier run of the same migration wrote."""
    if files.size(note.key) is None:
        return None
    found: dict[str, Any] = json.loads(b"".join(files.read(note.key)))
    return replace(note, begun_at=found["begun_at"], finished_at=found["finished_at"])


def write_note(files: Files, note: Note) -> None:
    content = {name: getattr(note, name) for name in ("source", "target", "begun_at", "finished_at")}
    store_bytes(files, note.key, json.dumps(content, indent=1).encode())
