"""Publishing to Kafka: one idempotent producer a process, and a word within seconds whether the records are durable."""

import os
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from demixer.adapters.kafka.client import ANSWER_SECONDS, DURABLE, Cluster, Trouble
from demixer.domain.errors import DemixerError, Transient
from demixer.ports import Record

REST_SECONDS = 2.0  # after a failure, until the brokers are tried again
LATE_SECONDS = 3.0  # librdkafka looks about once a second which messages ran out of time
SERVE_SECONDS = 0.5  # of one wait for acknowledgements

PROPERTIES = {
    "linger.ms": "0",  # somebody waits for each publish; what is published at once still travels together
    "partitioner": "murmur2_random",  # a key has the partition that Java clients would choose
}


class Circuit:
    """Whether to try at all: while the brokers are away one caller at a time tries, and all others fail at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._error: Transient | None = None
        self._next_try = 0.0

    def enter(self) -> None:
        """Raises the last `Transient` to whoever should not try now."""
        with self._lock:
            if self._error is None:
                return
            if self._clock() < self._next_try:
                raise Transient(engine="Kafka", reason=self._error.params.get("reason")) from self._error
            self._next_try = self._clock() + ANSWER_SECONDS + LATE_SECONDS

    def failed(self, error: Transient) -> None:
        with self._lock:
            self._error, self._next_try = error, self._clock() + REST_SECONDS

    def succeeded(self) -> None:
        self._error = None


class Publisher:
    """For all threads of a process. One that was forked makes a producer of its own, and leaves its parent's alone."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._outlets: dict[int, _Outlet] = {}  # by process id

    def publish(self, records: Sequence[Record], before: Callable[[], object]) -> None:
        """Returns when all in-sync replicas have every record. `before` is called first, where it is tried at all.

        Raises `Transient` within seconds, `DemixerError` for a record that Kafka will never take.
        """
        outlet = self._outlet()
        outlet.circuit.enter()
        try:
            before()
            outlet.send(records)
        except Transient as error:
            outlet.circuit.failed(error)
            raise
        outlet.circuit.succeeded()

    def close(self) -> None:
        self._outlet().close()

    def _outlet(self) -> "_Outlet":
        return self._outlets.get(os.getpid()) or self._outlets.setdefault(os.getpid(), _Outlet(self._cluster))


class _Outlet:
    """The producer of one process, made when it is first needed."""

    def __init__(self, cluster: Cluster) -> None:
        self.circuit = Circuit()
        self._cluster, self._lock = cluster, threading.Lock()
        self._trouble = Trouble("publishing")
        self._served: _Served | None = None

    def send(self, records: Sequence[Record]) -> None:
        served, receipt = self._opened(), _Receipt(len(records))
        try:
            for record in records:
                _produce(served.producer, self._cluster.name(record.topic), record, receipt)
        except BufferError as error:
            raise Transient(engine="Kafka", reason="too much is waiting to be sent") from error
        except KafkaException as error:
            raise self._failure(served, error.args[0]) from error
        if not receipt.over.wait(ANSWER_SECONDS + LATE_SECONDS):
            receipt.error = KafkaError(KafkaError._MSG_TIMED_OUT)
        if receipt.error is not None:
            raise self._failure(served, receipt.error)

    def close(self) -> None:
        if self._served is not None:
            self._drop(self._served)

    def _opened(self) -> "_Served":
        with self._lock:
            if self._served is None:
                timeout = str(round(ANSWER_SECONDS * 1000))
                properties = self._cluster.properties_with(PROPERTIES, self._trouble, message_timeout_ms=timeout)
                self._served = _Served(Producer({**properties, **DURABLE}))
            return self._served

    def _drop(self, served: "_Served") -> None:
        with self._lock:
            served.close()
            if self._served is served:
                self._served = None

    def _failure(self, served: "_Served", error: KafkaError) -> DemixerError:
        """After any but a record too large, the next publish begins with a producer whose sequence has no gap."""
        if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE):
            return DemixerError(engine="Kafka", reason=error.str())
        self._drop(served)
        late = error.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
        return Transient(engine="Kafka", reason=self._trouble.reason if late else error.str())


class _Served:
    """A producer with the thread that hears its acknowledgements and passes them on."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="kafka-acknowledgements", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The thread ends a moment later. What is still under way is given up: nobody waits for it any more."""
        self._stopping.set()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.producer.poll(SERVE_SECONDS)
        self.producer.purge()
        self.producer.flush(SERVE_SECONDS)


class _Receipt:
    """Of what was published at once: `over` when all is acknowledged or given up, with the first `error`."""

    def __init__(self, count: int) -> None:
        self.over = threading.Event()
        self.error: KafkaError | None = None
        self._open = count

    def note(self, error: KafkaError | None, message: Message) -> None:
        """Called by one thread only."""
        self.error = self.error or error
        self._open -= 1
        if self._open == 0:
            self.over.set()


def _produce(producer: Producer, topic: str, record: Record, receipt: _Receipt) -> None:
    headers: list[tuple[str, str | bytes | None]] = [*record.headers.items()]
    producer.produce(topic, value=record.value, key=record.key.encode(), headers=headers, on_delivery=receipt.note)
