"""End with the process that started us, even when that was killed in a way that let it say nothing."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOOK_SECONDS = 1.0


def die_with(parent: int) -> None:
    """By SIGKILL, at once on Linux, within a second elsewhere. Nothing we do needs a farewell: it all survives that."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _end_unless_child_of(parent)  # it may have ended before we asked
    else:
        threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while True:
        _end_unless_child_of(parent)
        time.sleep(LOOK_SECONDS)


def _end_unless_child_of(parent: int) -> None:
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
