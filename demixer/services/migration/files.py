"""The files of one store brought into another, each looked at as the target gives it back."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from demixer.ports import Files
from demixer.services.migration.comparing import NOTES, Pair

AT_ONCE = 4  # files; each holds up to 16 MB, and a store answers several at a time
AHEAD = 64  # files handed to the threads at a time


def keys(files: Files) -> list[str]:
    """Of all files, sorted. They are kept in memory: about 150 bytes each."""
    return sorted(key for key, _ in files.keys("") if not key.startswith(f"{NOTES}/"))


def carry(source: Files, target: Files, wanted: Sequence[str], *, quick: bool) -> Iterator[Pair]:
    """Make the target hold these files and no others, and compare them as they come.

    A file of the right size from an earlier run is compared and not copied again. `quick` compares sizes only.
    """
    for key in set(keys(target)).difference(wanted):
        target.delete(key)
    return _each(partial(_carried, source, target, quick), wanted)


def compare(source: Files, target: Files, wanted: Sequence[str], *, quick: bool) -> Iterator[Pair]:
    """`wanted`: the keys of both."""
    return _each(partial(_pair, source, target, quick), wanted)


def _carried(source: Files, target: Files, quick: bool, key: str) -> Pair:
    size = target.size(key)
    if size is not None and size == source.size(key):
        found = _pair(source, target, quick, key)
        if found[1] == found[2]:
            return found
    copied = _copy(source, target, key)
    return key, _shown(copied, quick), _content(target, quick, key)


def _copy(source: Files, target: Files, key: str) -> tuple[int, str]:
    """Its size and SHA-256, of the bytes as they went by."""
    writer, size, digest = target.writer(key), 0, hashlib.sha256()
    try:
        for block in source.read(key):
            writer.write(block)
            digest.update(block)
            size += len(block)
        writer.commit()
    finally:
        writer.abort()
    return size, digest.hexdigest()


def _pair(source: Files, target: Files, quick: bool, key: str) -> Pair:
    return key, _content(source, quick, key), _content(target, quick, key)


def _content(files: Files, quick: bool, key: str) -> str | None:
    """As it is compared; None if there is no such file."""
    size = files.size(key)
    if size is None or quick:
        return None if size is None else _shown((size, ""), quick)
    return _shown(_sum(files, key), quick)


def _sum(files: Files, key: str) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    for block in files.read(key):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _shown(found: tuple[int, str], quick: bool) -> str:
    size, digest = found
    return f"{size}" if quick else f"{size} {digest}"


def _each(look: Callable[[str], Pair], wanted: Sequence[str]) -> Iterator[Pair]:
    """In the order of `wanted`, several at a time."""
    waiting = iter(wanted)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="migrate") as threads:
        while ahead := list(islice(waiting, AHEAD)):
            yield from threads.map(look, ahead)
