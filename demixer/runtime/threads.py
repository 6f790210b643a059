"""Work in a thread of its own. Unlike those of `concurrent.futures`, these threads do not hold up the end of the
process: they are daemons."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(job: Callable[[], T], name: str) -> "Future[T]":
    """The result of `job`, or what it raised, once it has ended."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(job())
        except BaseException as error:  # raised again where the future is read
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
