"""`match`: uploads join songs, and leave them. One ordered partition, milliseconds for each event."""

from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event, Failure
from demixer.services.analyses import UploadAnalyses
from demixer.services.embedded_analyses import analysis_of
from demixer.services.matching import Matching
from demixer.services.removals import Removals
from schemas.events import UploadFingerprinted, UploadWithdrawn


def consumer(matching: Matching, removals: Removals, uploads: UploadAnalyses) -> Consumer:
    def handle(event: Event, context: Context) -> None:
        match event.data:
            case UploadFingerprinted(upload_id=upload_id, attempt=attempt, embedded=embedded):
                matching.match(upload_id, attempt, analysis_of(embedded) if embedded else None)
            case UploadWithdrawn(upload_id=upload_id):
                removals.withdraw(upload_id)

    def give_up(event: Event, failure: Failure, context: Context) -> None:
        if isinstance(event.data, UploadFingerprinted):
            uploads.give_up(event.data.upload_id, event.data.attempt, failure)

    return Consumer(name="match", topics=("matching",), handle=handle, give_up=give_up)
