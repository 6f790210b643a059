"""From a received file to what is heard of it: the work of the `fingerprint` consumer, as the catalogue knows it."""

from dataclasses import replace

from demixer.domain import Analysis, Event, Failure, Upload, UploadState, events
from demixer.services.optimistic import Decision, change
from demixer.wiring import House


def begin(house: House, event: Event) -> Upload | None:
    """The upload to fingerprint for this `upload.received`, or None if that is no longer wanted."""
    upload = current(house, event)
    if upload is None or upload.state not in (UploadState.RECEIVED, UploadState.FINGERPRINTING):
        return None
    return _move(house, upload, UploadState.FINGERPRINTING)


def finish(house: House, upload: Upload, heard: Analysis) -> None:
    """What a person typed beside the file wins over what the file says."""

    def decide(current: Upload) -> Decision[Upload]:
        if current.state is not UploadState.FINGERPRINTING or current.attempt != upload.attempt:
            return None
        moved = current.moved_to(UploadState.FINGERPRINTED, house.now())
        told = replace(heard, tags=current.given_tags.over(heard.tags))
        return moved, [events.upload_fingerprinted(moved, told, house.now())]

    change(house.catalogue.uploads, upload.id, decide)


def reject(house: House, upload: Upload, failure: Failure, *, keep_file: bool) -> None:
    """The file cannot become a song. It is kept only where trying again can help."""

    def decide(current: Upload) -> Decision[Upload]:
        if not current.is_open or current.attempt != upload.attempt:
            return None
        failed = replace(current.failed(failure, house.now()), audio_key=current.audio_key if keep_file else "")
        return failed, [events.upload_rejected(failed, failure, house.now())]

    failed = change(house.catalogue.uploads, upload.id, decide)
    if failed.state is UploadState.FAILED and not failed.audio_key and upload.audio_key:
        house.files.delete(upload.audio_key)


def give_up(house: House, event: Event, failure: Failure) -> None:
    """The event of an open upload cannot be handled: the upload fails, so that nobody waits for ever."""
    upload = current(house, event)
    if upload is not None:
        reject(house, upload, failure, keep_file=True)


def current(house: House, event: Event) -> Upload | None:
    """The upload that an event is about; None if the event is of an attempt that is over."""
    upload = house.catalogue.uploads.get(event.subject)
    return upload if upload and upload.attempt == event.data["attempt"] else None


def _move(house: House, upload: Upload, state: UploadState) -> Upload | None:
    """None if it was cancelled meanwhile."""

    def decide(current: Upload) -> Decision[Upload]:
        return (current.moved_to(state, house.now()), []) if current.is_open and current.state is not state else None

    moved = change(house.catalogue.uploads, upload.id, decide)
    return moved if moved.state is state else None
