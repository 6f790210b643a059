"""Reading from Kafka through one prefetch queue for each partition: what a group member and a browser share."""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as Raw

from demixer.adapters.kafka.client import Cluster, ErrorReporter
from demixer.adapters.kafka.prefetch_queue import PrefetchQueue, oldest
from demixer.ports import Message, TopicPartition

BATCH = 500  # messages taken from librdkafka at once
RECEIVE_SECONDS = 0.02  # between two calls of librdkafka while queued messages are handed out

PROPERTIES = {
    "queued.min.messages": "20000",  # fetched ahead; ours are small, and handling one takes longer than fetching it
    "queued.max.messages.kbytes": "16384",
    "fetch.queue.backoff.ms": "20",  # when so many are queued. The default is a second: long enough to run dry
    "fetch.error.backoff.ms": "200",
}


class Reader(ABC):
    """Hands out what was fetched, the oldest first. `close` may be called from any thread.

    It has to be called: a client that Python's garbage collector ends may block for ever.
    """

    def __init__(self, cluster: Cluster, consumer: Consumer, reporter: ErrorReporter) -> None:
        self._cluster, self._consumer, self._reporter = cluster, consumer, reporter
        self._queues: dict[TopicPartition, PrefetchQueue] = {}
        self._stopped = self._closed = False
        self._received_at = -RECEIVE_SECONDS
        self._process, self._lock = os.getpid(), threading.RLock()

    def poll(self, timeout: float) -> Message | None:
        now = time.monotonic()
        if now - self._received_at < RECEIVE_SECONDS and (message := self._take()):
            return message
        self._receive(0)
        while (message := self._take()) is None and (left := now + timeout - time.monotonic()) > 0:
            self._receive(left)
        return message

    def next_buffered(self, message: Message) -> Message | None:
        queue = self._queues.get(message.topic_partition)
        return self._take_from(queue) if queue and queue.head else None

    def pause(self, message: Message) -> None:
        if queue := self._queues.get(message.topic_partition):
            queue.paused = True

    def resume(self, message: Message) -> None:
        if queue := self._queues.get(message.topic_partition):
            queue.paused = False

    def owns(self, message: Message) -> bool:
        return message.topic_partition in self._queues

    @property
    def closed(self) -> bool:
        """In this process. A reader inherited through a fork is closed by the parent."""
        return self._closed or self._process != os.getpid()

    def close(self) -> None:
        with self._lock:
            if not self.closed:
                self._closed = True
                self._stop()
                self._consumer.close()

    def _stop(self) -> None:
        """Read nothing more."""
        self._stopped = True
        self._queues.clear()

    def _take(self) -> Message | None:
        queue = oldest(self._queues.values())
        return self._take_from(queue) if queue else None

    @abstractmethod
    def _take_from(self, queue: PrefetchQueue) -> Message: ...

    def _receive(self, timeout: float) -> None:
        """Queue what librdkafka has fetched, and run its callbacks; wait up to `timeout` seconds for the first."""
        with self._lock:
            if self._stopped:
                time.sleep(timeout)
            else:
                self._fetch(timeout)

    def _fetch(self, timeout: float) -> None:
        """One message while some are queued, else a batch: queues that fill early make fetching pause."""
        first = self._consumer.poll(timeout)
        if first is not None:
            ready = any(queue.head for queue in self._queues.values())
            for raw in [first, *([] if ready else self._consumer.consume(BATCH, 0))]:
                self._put(raw)
        self._pause_full_queues()
        self._received_at = time.monotonic()

    def _put(self, raw: Raw) -> None:
        error = raw.error()
        if error is not None:
            self._on_error(error, raw)
        elif queue := self._queues.get((message := _message(self._cluster, raw)).topic_partition):
            queue.put(message)

    def _on_error(self, error: KafkaError, raw: Raw) -> None:
        self._reporter(error)

    def _pause_full_queues(self) -> None:
        """Let librdkafka fetch nothing of a partition whose queue is full."""
        for partition, queue in self._queues.items():
            if queue.is_full != queue.fetch_paused:
                queue.fetch_paused = queue.is_full
                change = self._consumer.pause if queue.fetch_paused else self._consumer.resume
                change([self._cluster.kafka_partition(partition)])


def _message(cluster: Cluster, raw: Raw) -> Message:
    topic, partition = cluster.topic_partition(raw.topic(), raw.partition())
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
    """Decoded when they are read, which is seldom."""

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
