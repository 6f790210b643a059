"""Events of earlier versions as those of today. Each upcaster takes one version to the next."""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.events import EventData, UploadFingerprinted, UploadFingerprintedV1


def _fingerprinted(data: UploadFingerprintedV1) -> UploadFingerprinted:
    return UploadFingerprinted(upload_id=data.upload_id, attempt=data.attempt, analysis_id="", embedded=data)


UPCASTERS: Mapping[type[EventData], Callable[[Any], EventData]] = {UploadFingerprintedV1: _fingerprinted}


def upcast(data: EventData) -> EventData:
    """`data` as the newest version of its type has it."""
    while upcaster := UPCASTERS.get(type(data)):
        data = upcaster(data)
    return data
