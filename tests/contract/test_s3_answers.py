"""What an S3 store may answer, and what we make of it: by a small server that answers what a test wants."""

import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from demixer import wiring
from demixer.adapters.s3.files import PART, S3Files
from demixer.adapters.s3.links import S3Links
from demixer.adapters.s3.location import Location, location_of
from demixer.domain.errors import ConfigurationError, NotFound, StorageFull, Transient
from demixer.ports import Files, FileWriter
from tests.contract.files import keys, put

SECRET = "a/b+c@d"  # as Amazon makes them, and worse
Answer = tuple[int, str]
UPLOAD = "<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>"


class Store:
    """Answers each method as told, and remembers what was asked: `PUT /bucket/key?query`."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, status: int, code: str = "", methods: str = "GET PUT POST DELETE HEAD") -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>'
        self.answers |= dict.fromkeys(methods.split(), (status, body))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            store.asked.append(f"{self.command} {self.path}")
            status, body = store.answers[self.command]
            data = b"" if self.command == "HEAD" else body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"made"')
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - so it looks for them

        def log_message(self, *_: object) -> None: ...

    return Handler


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


@pytest.fixture
def url(store: Store) -> str:
    return f"s3://key:a%2Fb%2Bc%40d@bucket/some/folder?endpoint={store.address}"


@pytest.fixture
def files(url: str) -> Files:
    return S3Files(url)


def write_parts(writer: FileWriter) -> None:
    for _ in range(5):
        writer.write(b"x" * PART)


USES: Mapping[str, Callable[[Files], object]] = {
    "put": lambda files: put(files, "f"),
    "read": lambda files: files.read("f"),
    "size": lambda files: files.size("f"),
    "keys": lambda files: keys(files, ""),
    "delete": lambda files: files.delete("f"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (403, "RequestTimeTooSkewed"), (401, "Unauthorized")]
)
def test_denied_access_is_a_configuration_error_that_names_the_setting(
    store: Store, files: Files, use: str, status: int, code: str
) -> None:
    store.answer(status, code)
    with pytest.raises(ConfigurationError, match=r"^FILES_URL: .*key and secret.*clock") as caught:
        USES[use](files)
    assert SECRET not in str(caught.value)
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("use", ["put", "read", "keys", "delete"])
def test_a_bucket_that_is_not_there_is_a_setting_too(store: Store, files: Files, use: str) -> None:
    store.answer(404, "NoSuchBucket")
    with pytest.raises(ConfigurationError, match="no such bucket"):
        USES[use](files)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "QuotaExceeded"), (400, "XMinioAdminBucketQuotaExceeded"), (507, "XMinioStorageFull"), (507, "")],
)
def test_a_full_store_raises_storage_full(store: Store, files: Files, status: int, code: str) -> None:
    store.answer(status, code)
    with pytest.raises(StorageFull):
        put(files, "f")


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (400, "ExpiredToken")])
def test_a_failing_store_is_retried_for_seconds_and_not_for_minutes(
    store: Store, files: Files, status: int, code: str
) -> None:
    store.answer(status, code)
    with pytest.raises(Transient, match=f"{status} {code}") as caught:
        put(files, "f")
    assert not isinstance(caught.value, StorageFull)
    assert SECRET not in str(caught.value)
    assert (len(store.asked) > 1) == (status >= 500)


def test_a_store_that_does_not_answer_is_transient() -> None:
    with pytest.raises(Transient, match="does not answer") as caught:
        S3Files("s3://key:only-ours@bucket?endpoint=http://127.0.0.1:1").size("f")
    assert "only-ours" not in str(caught.value)


def test_a_part_that_is_refused_breaks_the_file_for_good(store: Store, files: Files) -> None:
    store.answers = {"POST": (200, UPLOAD), "DELETE": (204, "")}
    store.answer(403, "QuotaExceeded", "PUT")
    writer = files.writer("f")
    with pytest.raises(StorageFull):
        write_parts(writer)
    store.answers["PUT"] = (200, "")
    with pytest.raises(Transient):
        writer.write(b"x")
    with pytest.raises(Transient):
        writer.commit()
    writer.abort()
    assert not any(asked.startswith("POST") and "uploadId" in asked for asked in store.asked), "it was completed"
    assert any(asked.startswith("DELETE") and "uploadId=one" in asked for asked in store.asked)


def test_an_upload_that_the_store_forgot_is_not_called_a_missing_file(store: Store, files: Files) -> None:
    store.answers = {"POST": (200, UPLOAD), "DELETE": (204, "")}
    store.answer(404, "NoSuchUpload", "PUT")
    writer = files.writer("f")
    with pytest.raises(Transient):
        write_parts(writer)
    writer.abort()


def test_opening_sends_no_request(store: Store, url: str) -> None:
    wiring.open_files(url, store.address)
    assert store.asked == []


@pytest.mark.parametrize(
    ("style", "path"),
    [("", "/bucket/some/folder/f"), ("&style=path", "/bucket/some/folder/f"), ("&style=host", "/some/folder/f")],
)
def test_a_bucket_is_named_in_the_path_or_by_its_host(store: Store, url: str, style: str, path: str) -> None:
    store.answer(404)
    with pytest.raises(NotFound):
        S3Files(url + style).read("f")
    assert store.asked == [f"GET {path}"]
    link = S3Links(location_of(url + style), "https://files.example.org/").signed_url(
        "f", media_type="a/b", disposition="inline"
    )
    assert link
    assert link.startswith(f"https://files.example.org{path}?response-content-type=a%2Fb&")
    assert "#" not in link


def test_a_url_has_every_part_of_the_location() -> None:
    assert location_of(
        "s3://key:a%2Fb%2Bc%40d@bucket/some/folder/?endpoint=http://host:1/&region=eu&style=host"
    ) == Location(
        bucket="bucket",
        folder="some/folder",
        access_key="key",
        secret=SECRET,
        endpoint="http://host:1",
        region="eu",
        own_host=True,
    )
    assert location_of("s3://bucket") == Location(bucket="bucket")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://key:hidden@",
        "s3://key@bucket",
        "s3://:hidden@bucket",
        "s3://key:hidden/hidden@bucket",
        "s3://key:hidden@bucket/a//b",
        "s3://key:hidden@bucket/../b",
        "s3://key:hidden@bucket?endpoint=host:80",
        "s3://key:hidden@bucket?endpoint=http://x:hidden@host",
        "s3://key:hidden@bucket?style=other",
        "s3://key:hidden@bucket?hidden",
        "s3://key:hidden@bucket?endpont=http://host",
        "s3://key:hidden@[bucket",
    ],
)
def test_a_bad_url_is_an_error_that_does_not_show_the_secret(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^FILES_URL: ") as caught:
        wiring.open_files(url)
    assert "hidden" not in str(caught.value)


def test_a_bad_public_address_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"^FILES_PUBLIC_URL: "):
        wiring.open_files("s3://key:secret@bucket", "files.example.org")


def test_a_session_token_of_the_environment_is_not_mixed_with_a_key_of_the_url(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-somebody-else")
    link = S3Links(location_of(url), store.address).signed_url("f", media_type="a/b", disposition="inline")
    assert link
    assert "of-somebody-else" not in link


def test_without_a_key_the_environment_says_who_we_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-outside")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "for-today")
    location = location_of(f"s3://bucket?endpoint={store.address}&region=eu-west-1")
    link = S3Links(location, store.address).signed_url("f", media_type="a/b", disposition="inline")
    assert link
    assert "X-Amz-Credential=from-outside%2F" in link
    assert "eu-west-1" in link
    assert "X-Amz-Security-Token=for-today" in link


def test_without_a_public_address_there_are_no_links(files: Files) -> None:
    assert files.links.signed_url("f", media_type="audio/flac", disposition="inline") is None
