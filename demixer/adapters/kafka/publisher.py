"""Publishing to Kafka with one idempotent producer a process; within seconds it is known what is durable."""

import os
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from demixer.adapters.kafka.client import ANSWER_SECONDS, DURABLE, Cluster, ErrorReporter
from demixer.domain.errors import DemixerError, Transient
from demixer.ports import Record

RETRY_SECONDS = 2.0  # after a failure, until the brokers are tried again
EXPIRY_SECONDS = 3.0  # librdkafka checks about once a second which messages ran out of time
POLL_SECONDS = 0.5  # of one wait for acknowledgements

PROPERTIES = {
    "linger.ms": "0",  # somebody waits for each publish; what is published at once still travels together
    "partitioner": "murmur2_random",  # a key has the partition that Java clients would choose
}


class CircuitBreaker:
    """While the brokers are away one caller at a time tries to reach them, and all others fail at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._error: Transient | None = None
        self._next_try = 0.0

    def enter(self) -> None:
        """Raises the last `Transient` for a caller that should not try now."""
        with self._lock:
            if self._error is None:
                return
            if self._clock() < self._next_try:
                raise Transient(engine="Kafka", reason=self._error.params.get("reason")) from self._error
            self._next_try = self._clock() + ANSWER_SECONDS + EXPIRY_SECONDS

    def failed(self, error: Transient) -> None:
        with self._lock:
            self._error, self._next_try = error, self._clock() + RETRY_SECONDS

    def succeeded(self) -> None:
        self._error = None


class Publisher:
    """For all threads of a process. A forked process makes a producer of its own, and does not touch its parent's."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._by_process: dict[int, _ProcessPublisher] = {}  # by process id

    def publish(self, records: Sequence[Record], before: Callable[[], object]) -> None:
        """Returns when all in-sync replicas have every record. `before` is called first, where it is tried at all.

        Raises `Transient` within seconds, `DemixerError` for a record that Kafka will never take.
        """
        publisher = self._of_this_process()
        publisher.circuit.enter()
        try:
            before()
            publisher.send(records)
        except Transient as error:
            publisher.circuit.failed(error)
            raise
        publisher.circuit.succeeded()

    def close(self) -> None:
        self._of_this_process().close()

    def _of_this_process(self) -> "_ProcessPublisher":
        pid = os.getpid()
        return self._by_process.get(pid) or self._by_process.setdefault(pid, _ProcessPublisher(self._cluster))


class _ProcessPublisher:
    """The producer of one process, made when it is first needed."""

    def __init__(self, cluster: Cluster) -> None:
        self.circuit = CircuitBreaker()
        self._cluster, self._lock = cluster, threading.Lock()
        self._reporter = ErrorReporter("publishing")
        self._polled: _PolledProducer | None = None

    def send(self, records: Sequence[Record]) -> None:
        polled, deliveries = self._opened(), _Deliveries(len(records))
        try:
            for record in records:
                headers: list[tuple[str, str | bytes | None]] = [*record.headers.items()]
                polled.producer.produce(
                    self._cluster.name(record.topic),
                    value=record.value,
                    key=record.key.encode(),
                    headers=headers,
                    on_delivery=deliveries.on_delivery,
                )
        except BufferError as error:
            raise Transient(engine="Kafka", reason="too much is waiting to be sent") from error
        except KafkaException as error:
            raise self._failure(polled, error.args[0]) from error
        if not deliveries.complete.wait(ANSWER_SECONDS + EXPIRY_SECONDS):
            deliveries.error = KafkaError(KafkaError._MSG_TIMED_OUT)
        if deliveries.error is not None:
            raise self._failure(polled, deliveries.error)

    def close(self) -> None:
        if self._polled is not None:
            self._drop(self._polled)

    def _opened(self) -> "_PolledProducer":
        with self._lock:
            if self._polled is None:
                timeout = str(round(ANSWER_SECONDS * 1000))
                properties = self._cluster.properties_with(PROPERTIES, self._reporter, message_timeout_ms=timeout)
                self._polled = _PolledProducer(Producer({**properties, **DURABLE}))
            return self._polled

    def _drop(self, polled: "_PolledProducer") -> None:
        with self._lock:
            polled.close()
            if self._polled is polled:
                self._polled = None

    def _failure(self, polled: "_PolledProducer", error: KafkaError) -> DemixerError:
        """After any error but a record too large, the next publish makes a new producer: its sequence has no gap."""
        if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE):
            return DemixerError(engine="Kafka", reason=error.str())
        self._drop(polled)
        late = error.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
        return Transient(engine="Kafka", reason=self._reporter.reason if late else error.str())


class _PolledProducer:
    """A producer with the thread that runs its delivery callbacks."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-acknowledgements", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The thread ends a moment later, and discards what is still being sent: nobody waits for it any more."""
        self._stopping.set()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self.producer.poll(POLL_SECONDS)
        self.producer.purge()
        self.producer.flush(POLL_SECONDS)


class _Deliveries:
    """The delivery reports of one publish. `complete` when all have come; `error` is the first error."""

    def __init__(self, count: int) -> None:
        self.complete = threading.Event()
        self.error: KafkaError | None = None
        self._missing = count

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Called by one thread only."""
        self.error = self.error or error
        self._missing -= 1
        if self._missing == 0:
            self.complete.set()
