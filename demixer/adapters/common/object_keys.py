"""Keys and disk errors of the file stores on a folder and on S3."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from demixer.domain.errors import DemixerError, StorageFull, Transient

BLOCK = 256 * 1024  # bytes, of a read

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoLinks:
    """`demixer.ports.Links` of a store that no browser reaches."""

    def signed_url(self, key: str, *, media_type: str, disposition: str) -> str | None:
        return None


def checked(key: str) -> str:
    """`key` itself. A bad one is a programming error: `ValueError`."""
    if not all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
        raise ValueError(f"not a key of the file store: {key!r}")
    return key


@contextmanager
def translated(key: str) -> Iterator[None]:
    """The system's errors as ours: `StorageFull` or `Transient`."""
    try:
        yield
    except OSError as error:
        raise translation(error, key) from error


def translation(error: Exception, key: str) -> DemixerError:
    """obstore gives the system's error number in its text only."""
    named = re.search(r"os error (\d+)", str(error))
    number = int(named[1]) if named else getattr(error, "errno", None)
    return StorageFull(key=key) if number in _FULL else Transient(key=key, reason=str(error).partition("\n")[0])
