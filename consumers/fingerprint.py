"""`fingerprint`: a received file is decoded once, and its tags and cover are read; or it is refused, with why."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consumers.framework.consumer import Consumer, Context, failure_of
from consumers.framework.executors import Threads
from demixer.audio import tags
from demixer.domain import Analysis, Comparison, Event, Failure, Upload
from demixer.domain.errors import NotFound, Refused
from demixer.recognition import similarity
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.runtime import tempdirs
from demixer.services import analyses, comparisons
from demixer.services.storage import keep_bytes
from demixer.wiring import House

AT_ONCE = 2  # decoding is one core's work; more would starve a separation on the same machine


def consumer(house: House) -> Consumer:
    tempdirs.clear()
    return Consumer(name="fingerprint", topics=("uploads",), handle=handle, give_up=give_up, at_once=AT_ONCE)


def handle(event: Event, context: Context) -> None:
    if event.type != "upload.received":
        return
    house = context.house
    upload = analyses.begin(house, event)
    if upload is None:
        return
    reject = partial(analyses.reject, house, upload, keep_file=False)
    try:
        with house.files.local(upload.audio_key) as path:
            heard = listen(house, upload, path)
    except Refused as error:
        reject(failure_of(error))
    except NotFound:
        reject(Failure("file-gone"))
    else:
        analyses.finish(house, upload, heard)


def listen(house: House, upload: Upload, path: Path) -> Analysis:
    """Raises `Refused` as `demixer.recognition.decoding.decode_and_fingerprint` does."""
    reading = Threads(1, "tags").submit(lambda: tags.read(path, upload.filename))
    try:
        found = decode_and_fingerprint(path, max_minutes=house.settings.max_minutes)
    finally:
        said = reading.result()  # it has the file open
    phases = [found.fingerprint.to_bytes(), found.shifted_fingerprint.to_bytes()]
    return Analysis(
        duration=found.duration,
        fingerprint=phases[0],
        shifted_fingerprint=phases[1],
        sample_hash="" if similarity.is_distinctive(found.fingerprint) else found.sample_hash,
        comparisons=tuple(_compared(house, upload, phases, found.samples)),
        tags=said.tags,
        cover_key=_keep_cover(house, upload, said.cover),
    )


def _compared(house: House, upload: Upload, phases: Sequence[bytes], sound: NDArray[np.int16]) -> list[Comparison]:
    """The same bytes need no comparison."""
    if house.catalogue.songs.by_file(upload.sha256):
        return []
    return comparisons.compared(house, phases, sound)


def give_up(event: Event, failure: Failure, context: Context) -> None:
    if event.type == "upload.received":
        analyses.give_up(context.house, event, failure)


def _keep_cover(house: House, upload: Upload, jpeg: bytes | None) -> str:
    """Under a key that follows from the upload, so that a second try overwrites the first."""
    if jpeg is None:
        return ""
    key = f"covers/{upload.id}.jpg"
    keep_bytes(house.files, key, jpeg)
    return key
