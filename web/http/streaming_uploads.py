"""Request bodies whose files go straight into the file store: nothing in /tmp, nothing whole in memory."""

import io
from typing import IO, Any, cast

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from demixer.domain import require
from demixer.services.uploads import IncomingFile
from web.http.context import services

FILES_AT_ONCE = 20  # of one form; the page's own script sends one at a time
STREAMED = ("uploads.send", "api.send_upload")  # endpoints whose files are uploads


class Arriving(io.RawIOBase):
    """What the form parser writes a file part to. Closing it forgets the file unless it was received meanwhile."""

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

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint not in STREAMED:
            return io.BytesIO()  # other forms are small: `security.admit`
        require(len(self._arriving) < FILES_AT_ONCE, "too-many-files", limit=FILES_AT_ONCE)
        arriving = Arriving(services().uploads.incoming())
        self._arriving.append(arriving)
        return cast(IO[bytes], arriving)

    def make_form_data_parser(self) -> FormDataParser:
        parser = super().make_form_data_parser()
        parser.silent = False  # a body that breaks off must not look like an empty form
        return parser

    def _load_form_data(self) -> None:
        if "form" in self.__dict__:
            return
        try:
            super()._load_form_data()
        except BaseException as error:
            self._forget_form()
            if isinstance(error, ValueError) or self._is_of_a_field(error):
                raise BadRequest from error
            raise

    def _is_of_a_field(self, error: BaseException) -> bool:
        """A file whose name breaks its header passes for a field, and that for too large."""
        length, most = self.content_length, self.max_content_length
        return isinstance(error, RequestEntityTooLarge) and bool(length and most and length <= most)

    def close(self) -> None:
        super().close()
        self._forget_arriving()

    @property
    def _arriving(self) -> list[Arriving]:
        files: list[Arriving] = self.__dict__.setdefault("arriving", [])
        return files

    def _forget_form(self) -> None:
        """Whoever answers the error may ask for the form again and must not read on in the broken body."""
        empty = self.parameter_storage_class
        self.__dict__.update(form=empty(), files=empty())
        self._forget_arriving()

    def _forget_arriving(self) -> None:
        for arriving in self._arriving:
            arriving.close()
