"""How often a message was in progress when its process crashed or was killed, counted beyond the end of the process.

A message that takes its process down every time would be delivered for ever. One small file for each partition holds
the offset that is in progress, and how often those that may come again ended badly, so that the next process knows.
Commits come late, so messages before such a message may be delivered ahead of it once more: later offsets are kept.

A file is written in place, which a kill cannot tear, and without fsync: it has to survive the process, not the machine.
Each of several machines counts for itself.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from demixer.ports import Message, TopicPartition

CRASH_LIMIT = 5  # ends by an error in our own code, which the next try will most likely meet again
KILL_LIMIT = 20  # ends without any error: killed from outside, which may have nothing to do with the message
MAX_BYTES = 65536  # of a file
IN_PROGRESS = Struct("<Q")  # a file begins with the offset in progress plus one, or 0; then a line of JSON: `BadEnds`


class BadEnds(NamedTuple):
    """How often the process of a message ended while the message was in progress."""

    crashes: int = 0
    kills: int = 0

    @property
    def too_many(self) -> bool:
        return self.crashes >= CRASH_LIMIT or self.kills >= KILL_LIMIT


NONE = BadEnds()
ByOffset = Mapping[int, BadEnds]  # in JSON {"7": [1, 0]}


class DeliveryCounter:
    """`folder` belongs to one consumer group. Each partition has one owner at a time, so each file has one writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[TopicPartition, int] = {}
        self._clean: set[TopicPartition] = set()  # something is in progress, and nothing ended badly before
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, message: Message) -> BadEnds:
        """Call before a message is handled. Returns what happened to it before.

        It counts as killed until `end`, or until `begin` of the next message of its partition.
        """
        partition, offset = message.topic_partition, message.offset
        if partition in self._clean:
            self._write(partition, IN_PROGRESS.pack(offset + 1))
            return NONE
        interrupted, known = self._read(partition)
        if interrupted is not None:
            known = _counted(known, interrupted, kills=1)
        if not known:
            self._clean.add(partition)
        self._store(partition, offset, known)
        return known.get(offset, NONE)

    def end(self, message: Message, *, crashed: bool = False) -> None:
        """Call after a message was handled; `crashed` where an unforeseen error was raised.

        Nothing is stored where another message is in progress: then the partition belongs to another member by now.
        """
        partition, offset = message.topic_partition, message.offset
        self._clean.discard(partition)
        in_progress, known = self._read(partition)
        if in_progress == offset:
            self._store(partition, None, _counted(known, offset, crashes=int(crashed)))

    def close(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])

    def _read(self, partition: TopicPartition) -> tuple[int | None, ByOffset]:
        """The offset in progress and the counts; neither, where the file is damaged or cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = os.pread(self._file(partition), MAX_BYTES, 0)
            plus_one = int.from_bytes(found[: IN_PROGRESS.size], "little")
            line, _, _ = found[IN_PROGRESS.size :].partition(b"\n")
            known = {int(offset): BadEnds(*counts) for offset, counts in json.loads(line or b"{}").items()}
            return plus_one - 1 if plus_one else None, known
        return None, {}

    def _store(self, partition: TopicPartition, in_progress: int | None, known: ByOffset) -> None:
        """The file is never shortened: a file system may flush one that was (ext4, `auto_da_alloc`). Whatever follows
        the first line is ignored."""
        line = json.dumps(known).encode()
        self._write(partition, IN_PROGRESS.pack(0 if in_progress is None else in_progress + 1) + line + b"\n")

    def _write(self, partition: TopicPartition, data: bytes) -> None:
        try:  # noqa: SIM105 - once for every event, and this costs half
            os.pwrite(self._files.get(partition) or self._file(partition), data, 0)
        except OSError:  # a full disk: counting is not worth stopping for
            pass

    def _file(self, partition: TopicPartition) -> int:
        if partition not in self._files:
            path = self._folder / f"{partition[0]}-{partition[1]}"
            self._files[partition] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._files[partition]


def _counted(known: ByOffset, offset: int, *, crashes: int = 0, kills: int = 0) -> ByOffset:
    """`known` and what happened to `offset`. Earlier offsets are done; one that nothing happened to is left out."""
    before = known.get(offset, NONE)
    now = BadEnds(before.crashes + crashes, before.kills + kills)
    later = {other: ends for other, ends in known.items() if other > offset}
    return later if now == NONE else {offset: now, **later}
