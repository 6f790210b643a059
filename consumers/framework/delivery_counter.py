"""How often a message was in hand when its process ended badly, remembered beyond that end.

A message that takes its process down every time would be handed out for ever. One small file for each partition says
which offset is in hand and how often those that may come again ended badly, so the next process knows. Commits come a
moment late, so what was done before such a message may be handed out ahead of it once more: later offsets are kept.

Written in place, which a kill cannot tear, and without fsync: it has to survive the process, not the machine. With
several machines each counts for itself.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from demixer.ports import Message, TopicPartition

CRASHES = 5  # by an error in our own code, which the next try will most likely meet again
DEATHS = 20  # without a word: killed from outside, which may have nothing to do with the message
LONGEST = 65536  # bytes of a file
IN_HAND = Struct("<Q")  # a file begins with the offset in hand and one, or 0; then a line of JSON, of the records


class Record(NamedTuple):
    crashes: int = 0
    deaths: int = 0

    @property
    def hopeless(self) -> bool:
        return self.crashes >= CRASHES or self.deaths >= DEATHS


NOTHING = Record()
Records = Mapping[int, Record]  # by offset; in JSON {"7": [1, 0]}


class Deliveries:
    """`folder` belongs to one consumer group. Each partition has one owner at a time, so each file has one writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[TopicPartition, int] = {}
        self._clean: set[TopicPartition] = set()  # where something is in hand, and nothing ended badly
        folder.mkdir(parents=True, exist_ok=True)

    def began(self, message: Message) -> Record:
        """Call before work starts, or goes on with the next of its partition. Returns what happened to this message
        before; until then, or `ended`, it counts as a death."""
        place, offset = message.topic_partition, message.offset
        if place in self._clean:
            self._write(place, IN_HAND.pack(offset + 1))
            return NOTHING
        left, records = self._read(place)
        if left is not None:
            records = _with(records, left, deaths=1)
        if not records:
            self._clean.add(place)
        self._note(place, offset, records)
        return records.get(offset, NOTHING)

    def ended(self, message: Message, *, crashed: bool = False) -> None:
        """The work came to an end that we know of; `crashed` if that was an error nobody foresaw.

        A partition that is not ours any more has another writer, who may have something else in hand.
        """
        place, offset = message.topic_partition, message.offset
        self._clean.discard(place)
        in_hand, records = self._read(place)
        if in_hand == offset:
            self._note(place, None, _with(records, offset, crashes=int(crashed)))

    def close(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])

    def _read(self, place: TopicPartition) -> tuple[int | None, Records]:
        """What is in hand, and the records; nothing, where it makes no sense."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = os.pread(self._file(place), LONGEST, 0)
            following = int.from_bytes(found[: IN_HAND.size], "little")
            line, _, _ = found[IN_HAND.size :].partition(b"\n")
            records = {int(offset): Record(*counts) for offset, counts in json.loads(line or b"{}").items()}
            return following - 1 if following else None, records
        return None, {}

    def _note(self, place: TopicPartition, in_hand: int | None, records: Records) -> None:
        """Never shortened: a file system may flush one that was (ext4, `auto_da_alloc`). The first line counts."""
        line = json.dumps(records).encode()
        self._write(place, IN_HAND.pack(0 if in_hand is None else in_hand + 1) + line + b"\n")

    def _write(self, place: TopicPartition, data: bytes) -> None:
        try:  # noqa: SIM105 - once for every event, and this costs half
            os.pwrite(self._files.get(place) or self._file(place), data, 0)
        except OSError:  # a full disk: counting is not worth stopping for
            pass

    def _file(self, place: TopicPartition) -> int:
        if place not in self._files:
            topic, partition = place
            path = self._folder / f"{topic}-{partition}"
            self._files[place] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._files[place]


def _with(records: Records, offset: int, *, crashes: int = 0, deaths: int = 0) -> Records:
    """What came before `offset` is done; what nothing happened to is not worth a note."""
    known = records.get(offset, NOTHING)
    record = Record(known.crashes + crashes, known.deaths + deaths)
    later = {other: noted for other, noted in records.items() if other > offset}
    return later if record == NOTHING else {offset: record, **later}
