"""How often a message was in hand when its process ended badly, remembered beyond that end.

A message that takes its process down every time would be handed out for ever. One small file for each partition says
which offsets are in hand and how often that ended badly, so the next process knows. Commits come a moment late, so what
was done before such a message may be handed out ahead of it once more: the file keeps what it knows of later offsets.

Written in place, which a kill cannot tear, and without fsync: it has to survive the process, not the machine. With
several machines each counts for itself.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demixer.ports import Message, Place

CRASHES = 5  # by an error in our own code, which the next try will most likely meet again
DEATHS = 20  # without a word: killed from outside, which may have nothing to do with the message
LONGEST = 65536  # bytes of a file


@dataclass(frozen=True, slots=True)
class Record:
    crashes: int = 0
    deaths: int = 0

    @property
    def hopeless(self) -> bool:
        return self.crashes >= CRASHES or self.deaths >= DEATHS


NOTHING = Record()
Records = Mapping[int, Record]  # by offset


class Deliveries:
    """`folder` belongs to one consumer group. Each partition has one owner at a time, so each file has one writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Place, int] = {}
        self._in_hand: dict[Place, Records] = {}  # as written, until the end of the message that was written down
        folder.mkdir(parents=True, exist_ok=True)

    def began(self, message: Message) -> Record:
        """Call before work starts. Returns what happened to this message before; until `ended` it counts as a death."""
        records = self._read(message)
        before = records.get(message.offset, NOTHING)
        after = _with(records, message.offset, Record(before.crashes, before.deaths + 1))
        self._write(message, after)
        self._in_hand[message.place] = after
        return before

    def ended(self, message: Message, *, crashed: bool = False, ours: bool = True) -> None:
        """The work came to an end that we know of; `crashed` if that was an error nobody foresaw.

        A partition that is not `ours` any more has another writer, who may have noted something.
        """
        noted = self._in_hand.pop(message.place, {})
        records = noted if ours else self._read(message)
        before = records.get(message.offset, NOTHING)
        after = Record(before.crashes + crashed, max(0, before.deaths - 1))
        self._write(message, _with(records, message.offset, after))

    def close(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])

    def _read(self, message: Message) -> Records:
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            line, _, _ = os.pread(self._file(message), LONGEST, 0).partition(b"\n")
            return {int(offset): Record(*counts) for offset, counts in json.loads(line).items()}
        return {}

    def _write(self, message: Message, records: Records) -> None:
        """Never shortened: a file system may flush one that was (ext4, `auto_da_alloc`). The first line counts."""
        line = json.dumps({offset: (record.crashes, record.deaths) for offset, record in records.items()})
        with contextlib.suppress(OSError):  # a full disk: counting is not worth stopping for
            os.pwrite(self._file(message), f"{line}\n".encode(), 0)

    def _file(self, message: Message) -> int:
        place = message.place
        if place not in self._files:
            path = self._folder / f"{message.topic}-{message.partition}.json"
            self._files[place] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._files[place]


def _with(records: Records, offset: int, record: Record) -> Records:
    """What came before `offset` is done; what nothing happened to is not worth a note."""
    later = {other: known for other, known in records.items() if other > offset}
    return later if record == NOTHING else {offset: record, **later}
