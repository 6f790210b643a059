from bson.int64 import Int64

from demixer.adapters.common.documents import from_document, to_document
from demixer.domain import Upload
from demixer.domain.events import upload_received
from schemas import codec
from schemas.events import UploadReceived
from tests.unit.test_schemas import upload


def test_whole_numbers_are_plain_whatever_the_engine_keeps_them_as() -> None:
    document = {**to_document(upload()), "attempt": Int64(2), "size": Int64(7)}
    revived = from_document(Upload, document)
    assert (type(revived.attempt), type(revived.size)) == (int, int)
    assert codec.decode(codec.encode(upload_received(revived))).data == UploadReceived(upload_id=revived.id, attempt=2)
