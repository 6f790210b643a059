"""The Elasticsearch client for a URL, and its errors as ours.

`elasticsearch://host:9200,host:9200/prefix`, or `elasticsearch+https://user:password@host:9200/prefix?ca_certs=FILE`.
Without a port it is 9200, without a prefix `demixer`. `media_type=plain` is for servers that speak the API but do not
know its versioned media types (`application/vnd.elasticsearch+json`).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from elastic_transport import HttpHeaders, TlsError, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch import ApiError, ConnectionTimeout, Elasticsearch, TransportError, UnsupportedProductError
from elasticsearch.helpers import ScanError

from demixer.domain.errors import ConfigurationError, DemixerError, Transient
from demixer.runtime.settings import without_password

PORT = 9200
PREFIX = "demixer"
OPTIONS = {"ca_certs", "media_type"}
CONNECTIONS = 32  # per process and host; more threads wait for one
SECONDS = 10.0  # for a request without a timeout of its own
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")  # of a prefix, as Elasticsearch wants index names
BUSY = (429, 502, 503, 504)


class PlainNode(Urllib3HttpNode):
    """Says `application/json` instead of the versioned media type."""

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> Any:  # what the transport gets of a node is a type that it does not publish
        plain = HttpHeaders({name: _plain(value) for name, value in (headers or {}).items()})
        return super().perform_request(method, target, body, plain, request_timeout)


def client_and_prefix(url: str) -> tuple[Elasticsearch, str]:
    """No request is sent yet: the server may start later. Raises `ConfigurationError`."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/") or PREFIX
    if not NAME.fullmatch(prefix):
        raise _wrong(f"the prefix {prefix!r} should be small letters, digits, dots, dashes and underscores")
    options = _options(parts.query)
    login, _, hosts = parts.netloc.rpartition("@")
    scheme = "https" if parts.scheme.endswith("+https") else "http"
    return _client([_host(scheme, host, url) for host in hosts.split(",")], login, options), prefix


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the client as ours."""
    try:
        yield
    except ApiError as error:
        raise _translation(error) from error
    except ScanError as error:
        raise Transient(reason=f"Elasticsearch could not give all songs: {error}") from error
    except TransportError as error:
        raise Transient(reason=f"Elasticsearch {_connection_problem(error)}") from error


def _client(hosts: list[str], login: str, options: Mapping[str, str]) -> Elasticsearch:
    user, _, password = login.partition(":")
    return Elasticsearch(
        hosts,
        basic_auth=(unquote(user), unquote(password)) if user else None,
        ca_certs=options.get("ca_certs", DEFAULT),
        node_class=PlainNode if options.get("media_type") == "plain" else Urllib3HttpNode,
        connections_per_node=CONNECTIONS,
        request_timeout=SECONDS,
        max_retries=max(1, len(hosts) - 1),  # once each host; a connection that was kept open may have been closed
        retry_on_status=(),
    )


def _host(scheme: str, host: str, url: str) -> str:
    parts = urlsplit(f"{scheme}://{host}")
    try:
        port = parts.port or PORT
    except ValueError:
        port = 0
    if not parts.hostname or not port:
        raise _wrong(f"{without_password(url)!r} should look like elasticsearch://host:{PORT}/{PREFIX}")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{name}:{port}"


def _options(query: str) -> Mapping[str, str]:
    options = dict(parse_qsl(query))
    if unknown := sorted(set(options) - OPTIONS):
        raise _wrong(f"knows no option {', '.join(unknown)}; there are {', '.join(sorted(OPTIONS))}")
    if "ca_certs" in options and not Path(options["ca_certs"]).is_file():
        raise _wrong(f"the file of ca_certs is not there: {options['ca_certs']}")
    return options


def _wrong(hint: str) -> ConfigurationError:
    return ConfigurationError(variable="SEARCH_URL", hint=hint)


def _translation(error: ApiError) -> DemixerError:
    """A request that is wrong in itself is an error in this program, and never `Transient`."""
    status = error.meta.status
    if isinstance(error, UnsupportedProductError):
        return Transient(reason="what answers at SEARCH_URL is no Elasticsearch")
    if status == 401:
        return Transient(reason="Elasticsearch refuses the user or the password of SEARCH_URL")
    if status == 403:
        return Transient(reason=f"Elasticsearch does not let the user of SEARCH_URL do this: {error.message}")
    if status == 406:
        return Transient(reason="what answers at SEARCH_URL is no Elasticsearch 9; it may need media_type=plain")
    if status == 404:
        return Transient(reason=f"the search index was removed meanwhile: {error.message}")
    if status in BUSY or status >= 500:
        return Transient(reason=f"Elasticsearch is busy or not ready: {status} {error.message}")
    return DemixerError(reason=f"Elasticsearch refuses what we asked: {status} {error.message}")


def _connection_problem(error: TransportError) -> str:
    if isinstance(error, ConnectionTimeout):
        return "does not answer in time; see how busy it is"
    if isinstance(error, TlsError):
        return "speaks no TLS, or shows a certificate that is not trusted; check SEARCH_URL and its ca_certs"
    return "cannot be reached; check SEARCH_URL, and whether it runs"


def _plain(value: str) -> str:
    return re.sub(r"application/vnd\.elasticsearch\+([\w-]+); compatible-with=\d+", r"application/\1", value)
