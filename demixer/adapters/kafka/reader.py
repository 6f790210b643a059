"""What reading from Kafka has in common, in a group or alone: messages go through a line for each partition."""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError
from confluent_kafka import Message as Raw
from confluent_kafka import TopicPartition as KafkaPartition

from demixer.adapters.kafka.client import Cluster, Trouble
from demixer.adapters.kafka.prefetch_queue import Line, oldest
from demixer.ports import Message, TopicPartition

BATCH = 500  # messages taken over from librdkafka at once
NEWS_SECONDS = 0.02  # between two looks for what is new, while what has come already is handed out

PROPERTIES = {
    "queued.min.messages": "20000",  # fetched ahead; ours are small, and handling one takes longer than fetching it
    "queued.max.messages.kbytes": "16384",
    "fetch.queue.backoff.ms": "20",  # after so many; by default a second, in which all of them are done
    "fetch.error.backoff.ms": "200",
}


class Reader(ABC):
    """Hands out what was fetched, the oldest first, one line a partition. `close` may come from any thread.

    It must come: a client that Python's garbage collector ends, in whatever thread that runs, may block for ever.
    """

    def __init__(self, cluster: Cluster, consumer: Consumer, trouble: Trouble) -> None:
        self._cluster, self._consumer, self._trouble = cluster, consumer, trouble
        self._lines: dict[TopicPartition, Line] = {}
        self._over = self._closed = False
        self._looked = -NEWS_SECONDS
        self._process, self._lock = os.getpid(), threading.RLock()

    def poll(self, timeout: float) -> Message | None:
        now = time.monotonic()
        if now - self._looked < NEWS_SECONDS and (message := self._take()):
            return message
        self._receive(0)
        while (message := self._take()) is None and (left := now + timeout - time.monotonic()) > 0:
            self._receive(left)
        return message

    def next_buffered(self, message: Message) -> Message | None:
        line = self._lines.get(message.topic_partition)
        return self._taken(line) if line and line.head else None

    def pause(self, message: Message) -> None:
        if line := self._lines.get(message.topic_partition):
            line.paused = True

    def resume(self, message: Message) -> None:
        if line := self._lines.get(message.topic_partition):
            line.paused = False

    def owns(self, message: Message) -> bool:
        return message.topic_partition in self._lines

    @property
    def closed(self) -> bool:
        """Here: one that came through a fork is its parent's to close."""
        return self._closed or self._process != os.getpid()

    def close(self) -> None:
        with self._lock:
            if not self.closed:
                self._closed = True
                self._end()
                self._consumer.close()

    def _end(self) -> None:
        """Nothing more is read."""
        self._over = True
        self._lines.clear()

    def _take(self) -> Message | None:
        line = oldest(self._lines.values())
        return self._taken(line) if line else None

    @abstractmethod
    def _taken(self, line: Line) -> Message: ...

    def _receive(self, timeout: float) -> None:
        """Whatever has come, and the news about the group; waits up to `timeout` seconds if there is nothing yet."""
        with self._lock:
            if self._over:
                time.sleep(timeout)
            else:
                self._fetch(timeout)

    def _fetch(self, timeout: float) -> None:
        """Not more than is needed: what is taken over early fills lines that then have to be held back."""
        first = self._consumer.poll(timeout)
        if first is not None:
            ready = any(line.head for line in self._lines.values())
            for raw in [first, *([] if ready else self._consumer.consume(BATCH, 0))]:
                self._put(raw)
        self._hold_back()
        self._looked = time.monotonic()

    def _put(self, raw: Raw) -> None:
        error = raw.error()
        if error is not None:
            self._note(error, raw)
        elif line := self._lines.get((message := _message(self._cluster, raw)).topic_partition):
            line.put(message)

    def _note(self, error: KafkaError, raw: Raw) -> None:
        self._trouble(error)

    def _hold_back(self) -> None:
        """Let librdkafka fetch no more of a partition that nobody empties."""
        for place, line in self._lines.items():
            if line.full != line.held_back:
                line.held_back = line.full
                change = self._consumer.pause if line.full else self._consumer.resume
                change([self._partition(place)])

    def _partition(self, place: TopicPartition, offset: int = OFFSET_INVALID) -> KafkaPartition:
        topic, number = place
        return KafkaPartition(self._cluster.name(topic), number, offset)


def raw_place(cluster: Cluster, raw: Raw) -> TopicPartition:
    return cluster.plain(raw.topic() or ""), raw.partition() or 0


def _message(cluster: Cluster, raw: Raw) -> Message:
    topic, partition = raw_place(cluster, raw)
    _, milliseconds = raw.timestamp()
    return Message(
        topic=topic,
        key=_text(raw.key()),
        value=raw.value() or b"",
        headers=_Headers(raw),
        partition=partition,
        offset=raw.offset() or 0,
        time=datetime.fromtimestamp(milliseconds / 1000, UTC),
    )


class _Headers(Mapping[str, str]):
    """Taken apart when somebody asks, which is seldom."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)

    @property
    def _plain(self) -> dict[str, str]:
        headers = self._raw.headers() or ()
        return {name: _text(value) for name, value in (headers.items() if isinstance(headers, dict) else headers)}


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
