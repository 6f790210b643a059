"""How often a message was in hand when its process ended badly, remembered beyond that end.

A message that takes its process down every time would be handed out for ever. One small file for each partition says
which offset is in hand and how often that ended badly, so the next process knows. Written without fsync: it has to
survive the process, not the machine. With several machines each counts for itself.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from demixer.ports import Message

CRASHES = 5  # by an error in our own code, which the next try will most likely meet again
DEATHS = 20  # without a word: killed from outside, which may have nothing to do with the message


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    offset: int
    crashes: int = 0
    deaths: int = 0

    @property
    def hopeless(self) -> bool:
        return self.crashes >= CRASHES or self.deaths >= DEATHS


class Deliveries:
    """`folder` belongs to one consumer group. Each partition has one owner at a time, so each file has one writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def began(self, message: Message) -> Record:
        """Call before work starts. Returns what happened to this message before; until `ended` it counts as a death."""
        before = self._read(message)
        self._write(message, replace(before, deaths=before.deaths + 1))
        return before

    def ended(self, message: Message, *, crashed: bool = False) -> None:
        """The work came to an end that we know of; `crashed` if that was an error nobody foresaw."""
        record = self._read(message)
        deaths = max(0, record.deaths - 1)
        self._write(message, replace(record, deaths=deaths, crashes=record.crashes + crashed))

    def _read(self, message: Message) -> Record:
        try:
            record = Record(**json.loads(self._path(message).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return Record(offset=message.offset)
        return record if record.offset == message.offset else Record(offset=message.offset)

    def _write(self, message: Message, record: Record) -> None:
        path = self._path(message)
        mine = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):  # a full disk: counting is not worth stopping for
            mine.write_text(json.dumps(asdict(record)))
            mine.replace(path)

    def _path(self, message: Message) -> Path:
        return self._folder / f"{message.topic}-{message.partition}.json"
