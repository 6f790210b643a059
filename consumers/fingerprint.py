"""`fingerprint`: a received file is decoded once, and its tags and cover are read; or it is refused, with why."""

from consumers.framework.consumer import Consumer, Context, failure_of
from demixer.domain import Event, Failure
from demixer.domain.errors import NotFound, Refused
from demixer.runtime import tempdirs
from demixer.services.analyses import UploadAnalyses
from demixer.services.file_analyser import FileAnalyser
from schemas.events import UploadReceived

AT_ONCE = 2  # decoding is one core's work; more would starve a separation on the same machine


def consumer(uploads: UploadAnalyses, analyser: FileAnalyser) -> Consumer:
    tempdirs.clear()

    def handle(event: Event, context: Context) -> None:
        if not isinstance(event.data, UploadReceived):
            return
        upload = uploads.begin(event.data.upload_id, event.data.attempt)
        if upload is None:
            return
        try:
            analysis = analyser.analyse(upload)
        except Refused as error:
            uploads.reject(upload, failure_of(error), keep_file=False)
        except NotFound:
            uploads.reject(upload, Failure("file-gone"), keep_file=False)
        else:
            uploads.finish(upload, analysis)

    def give_up(event: Event, failure: Failure, context: Context) -> None:
        if isinstance(event.data, UploadReceived):
            uploads.give_up(event.data.upload_id, event.data.attempt, failure)

    return Consumer(name="fingerprint", topics=("uploads",), handle=handle, give_up=give_up, at_once=AT_ONCE)
