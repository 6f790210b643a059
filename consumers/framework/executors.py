"""Where a handler runs that takes long: beside the loop, which polls on."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

T = TypeVar("T")


class Executor(Protocol):
    """`places` is how many jobs may run at once."""

    places: int

    def submit(self, job: Callable[[], T]) -> "Future[T]": ...


class Threads:
    """A thread for each job. They are daemons, unlike those of `concurrent.futures`: a stop need not wait for them."""

    def __init__(self, places: int, name: str) -> None:
        self.places, self._name = places, name

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        threading.Thread(target=_run, args=(future, job), name=self._name, daemon=True).start()
        return future


def _run(future: "Future[T]", job: Callable[[], T]) -> None:
    try:
        future.set_result(job())
    except BaseException as error:  # raised again where the future is read
        future.set_exception(error)
