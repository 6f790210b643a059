"""Forms whose files go straight into the file store: nothing in /tmp, nothing whole in memory."""

import io
from typing import IO, Any, cast

from flask import Request
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from demixer.domain import require
from demixer.services.uploads import IncomingFile
from web.http.context import services
from web.http.request_policy import current_policy

FILES_AT_ONCE = 20  # of one form; the page's own script sends one at a time


class UploadStream(io.RawIOBase):
    """What the form parser writes a file part to. Closing it deletes the file unless it was received meanwhile."""

    def __init__(self, incoming: IncomingFile) -> None:
        super().__init__()
        self.incoming = incoming

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self.incoming.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The parser rewinds what it has written; there is nothing to rewind here."""
        return 0

    def close(self) -> None:
        if not self.closed:
            self.incoming.abort()
        super().close()


class StreamingRequest(Request):
    """Flask calls `close` at the end of every request, whatever happened: no half file outlives its request."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.upload_streams: list[UploadStream] = []

    def make_form_data_parser(self) -> FormDataParser:
        return StreamingFormParser(self)

    def file_stream(self, *args: object, **named: object) -> IO[bytes]:
        """What the parser writes the next file part to. Raises `Refused("too-many-files")`."""
        if not current_policy().streams_files:
            return io.BytesIO()  # the policy of the view keeps the body small
        require(len(self.upload_streams) < FILES_AT_ONCE, "too-many-files", limit=FILES_AT_ONCE)
        stream = UploadStream(services().uploads.incoming())
        self.upload_streams.append(stream)
        return cast(IO[bytes], stream)

    def discard_form(self) -> None:
        """The body is broken. Whoever answers the error may ask for the form, and must not read on in the body."""
        self.form, self.files = ImmutableMultiDict(), ImmutableMultiDict()
        self._close_streams()

    def close(self) -> None:
        super().close()
        self._close_streams()

    def _close_streams(self) -> None:
        for stream in self.upload_streams:
            stream.close()


class StreamingFormParser(FormDataParser):
    """Raises `BadRequest` for a body that breaks off or cannot be understood: it must not look like an empty form."""

    def __init__(self, request: StreamingRequest) -> None:
        super().__init__(
            stream_factory=request.file_stream,
            max_form_memory_size=request.max_form_memory_size,
            max_content_length=request.max_content_length,
            max_form_parts=request.max_form_parts,
            cls=request.parameter_storage_class,
            silent=False,
        )
        self._request = request

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, Any]]:
        try:
            return super().parse(stream, mimetype, content_length, options)
        except BaseException as error:
            self._request.discard_form()
            if isinstance(error, ValueError) or self._is_of_a_field(error, content_length):
                raise BadRequest from error
            raise

    def _is_of_a_field(self, error: BaseException, length: int | None) -> bool:
        """A file whose name breaks its header passes for a field, and that for too large."""
        most = self.max_content_length
        return isinstance(error, RequestEntityTooLarge) and bool(length and most and length <= most)
