"""The URL of an S3 store as a location: endpoint, bucket and folder, credentials; and its time limits."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from obstore.store import S3Store

from demixer.adapters.common.object_keys import checked
from demixer.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

SHAPE = "s3://key:secret@bucket/folder?endpoint=https://host&region=name&style=path"
STYLES = ("path", "host")
OPTIONS = ("endpoint", "region", "style")

# A store that refuses or does not answer is given up after about 10 s. A part of a file (`files.PART`) has to pass
# within one request: 5 MB in 8 s.
CONNECT, REQUEST = timedelta(seconds=3), timedelta(seconds=8)
RETRY_FOR, RETRIES = timedelta(seconds=5), 5
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=2)

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")
_WEB = re.compile(r"https?://[^/?#@]+(/[^?#]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    bucket: str
    folder: str = ""
    access_key: str = ""  # "": credentials come from the environment, or from the machine's role
    secret: str = ""
    endpoint: str = ""  # "": Amazon's
    region: str = ""
    own_host: bool = False  # the bucket has a host of its own, which `endpoint` names

    def open(self, endpoint: str = "", *, own_host: bool = False) -> S3Store:
        """The store of obstore; no request is sent yet. `endpoint`: another address of the same bucket."""
        return S3Store(
            self.bucket,
            prefix=None if endpoint else self.folder or None,
            config=self._config(endpoint or self.endpoint, own_host if endpoint else self.own_host),
            credential_provider=self._credential if self.access_key else None,
            client_options={
                "connect_timeout": CONNECT,
                "timeout": REQUEST,
                **({"allow_http": True} if self.endpoint.startswith("http://") else {}),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": RETRY_FOR,
                "backoff": {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2},
            },
        )

    def address(self, base: str, key: str) -> str:
        """The URL of the file `key`, where the store is reached at `base`."""
        return "/".join(part for part in (base, "" if self.own_host else self.bucket, self.folder, key) if part)

    def _config(self, endpoint: str, own_host: bool) -> "S3Config":
        config: S3Config = {"virtual_hosted_style_request": own_host}
        if endpoint:
            config["endpoint"] = endpoint
        if self.region:
            config["region"] = self.region
        return config

    def _credential(self) -> "S3Credential":
        """A provider: obstore would combine credentials in its options with a session token of the environment."""
        return {"access_key_id": self.access_key, "secret_access_key": self.secret, "expires_at": None}


def location_of(url: str) -> Location:
    """`url` looks like `SHAPE`. Raises `ConfigurationError`, which never shows the URL: it may hold a secret."""
    try:
        return _location(urlsplit(url))
    except ValueError as error:
        _refuse(f"the URL should look like {SHAPE}", error)


def web_address(text: str, what: str, variable: str = "FILES_URL") -> str:
    """`text` without a slash at the end. Raises `ConfigurationError` where it is no plain http or https address."""
    if not _WEB.fullmatch(text):
        raise ConfigurationError(variable=variable, hint=f"{what} should look like https://files.example.org")
    return text.rstrip("/")


def _location(url: SplitResult) -> Location:
    credentials, _, bucket = url.netloc.rpartition("@")
    access_key, _, secret = credentials.partition(":")
    if not _BUCKET.fullmatch(bucket) or bool(access_key) != bool(secret):
        _refuse(f"the URL should look like {SHAPE}; a “/”, “+” or “@” in the secret is written %2F, %2B or %40")
    options = _options(url.query)
    endpoint = options.get("endpoint", "")
    folder = url.path.strip("/")
    return Location(
        bucket=bucket,
        folder=checked(folder) if folder else "",
        access_key=unquote(access_key),
        secret=unquote(secret),
        endpoint=web_address(endpoint, "endpoint") if endpoint else "",
        region=options.get("region", ""),
        own_host=options.get("style", "path") == "host",
    )


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    if unknown := set(options) - set(OPTIONS):
        _refuse(f"unknown option {', '.join(sorted(unknown))}; there are {', '.join(OPTIONS)}")
    if options.get("style", "path") not in STYLES:
        _refuse(f"style is one of {', '.join(STYLES)}")
    return options


def _refuse(hint: str, cause: Exception | None = None) -> NoReturn:
    raise ConfigurationError(variable="FILES_URL", hint=hint) from cause
