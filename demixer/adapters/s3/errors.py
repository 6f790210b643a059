"""The errors of an S3 store as ours. obstore gives the HTTP status and the store's own code in its text only."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from demixer.domain.errors import ConfigurationError, DemixerError, NotFound, StorageFull, Transient

# The codes of full stores: Ceph, MinIO (disk, bucket quota), and the name in RFC 4918. SeaweedFS answers 500 when its
# disk is full, as for any failure, so that is a `Transient`.
FULL = ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage")
NO_BUCKET = "NoSuchBucket"
PAST_THE_END = 416

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Raises `NotFound`, `StorageFull`, `Transient`, or `ConfigurationError` where access is denied."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise translation(error, key) from error


@contextmanager
def translated_while_writing(key: str) -> Iterator[None]:
    """The same for writing, where a missing file means that the store lost the parts sent so far."""
    try:
        with translated(key):
            yield
    except NotFound as error:
        raise Transient(key=key, reason="the store lost what was written so far") from error


def translation(error: Exception, key: str) -> DemixerError:
    status, code = status_of(error), _first(_CODE, error)
    if status == 507 or code in FULL:
        return StorageFull(key=key)
    if status in (401, 403) or code == NO_BUCKET:
        return ConfigurationError(variable="FILES_URL", hint=_hint(status, code))
    if isinstance(error, FileNotFoundError) or status == 404:
        return NotFound(key=key)
    return Transient(key=key, reason=_reason(error, status, code))


def status_of(error: Exception) -> int:
    """Of the store's answer; 0 without one."""
    return int(_first(_STATUS, error) or 0)


def _hint(status: int, code: str) -> str:
    if code == NO_BUCKET:
        return "the file store has no such bucket: make it, or correct its name"
    answer = f"{status} {code}".strip()
    return (
        f"the file store does not let us do this (it answers {answer}): check key and secret, that they may list, "
        "read, write and delete in the bucket, and that the clock of this machine is right"
    )


def _reason(error: Exception, status: int, code: str) -> str:
    if status:
        return f"the file store answers {status} {code}".strip()
    return f"the file store does not answer: {str(error).partition(chr(10))[0].rpartition(' - ')[2]}"


def _first(pattern: re.Pattern[str], error: Exception) -> str:
    found = pattern.search(str(error))
    return found[1] if found else ""
