"""How this process deals with the system over memory. Does nothing where the C library is not glibc.

A network asks for the same large blocks again and again. glibc hands each back to the system and gets it anew, page by
page and zeroed: a tenth of the whole time on a CPU, measured with htdemucs (`benchmarks/separation.py`).
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_ENDLESS = 2**31 - 1


def keep() -> None:
    """Keep what is freed for the next chunk. For the whole process, from now on."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_TRIM_THRESHOLD, _ENDLESS)
        libc.mallopt(_MMAP_THRESHOLD, _ENDLESS)


def release() -> None:
    """Give everything kept back: nothing will be needed for a while."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
