"""All settings: one frozen object, read once from the environment. `docs/configuration.md` lists them; a test compares.

A secret, and a URL since it may hold one, may also come from a file named by `NAME_FILE`. Every error names its
variable.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demixer.domain.errors import ConfigurationError

DEVICES = ("auto", "cpu", "cuda", "mps")
LOG_FORMATS = ("text", "json")
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    host: str  # HOST: the address the web server listens on
    port: int  # PORT
    data_dir: Path  # DATA_DIR: everything the embedded engines write
    events_url: str  # EVENTS_URL
    catalogue_url: str  # CATALOGUE_URL: songs, uploads, separations, libraries, fingerprints
    search_url: str  # SEARCH_URL
    files_url: str  # FILES_URL
    files_public_url: str  # FILES_PUBLIC_URL: where browsers reach the store of FILES_URL; "" where they do not
    accounts_url: str  # ACCOUNTS_URL
    secret_key: str  # SECRET_KEY: signs sessions; made once and kept in DATA_DIR when not given
    model: str  # MODEL: auto, or a name that demucs knows, or spleeter-2stems
    models_dir: Path | None  # MODELS_DIR: a folder with weights, looked at before any download
    device: str  # DEVICE: auto, cpu, cuda, mps
    max_upload_mb: int  # MAX_UPLOAD_MB
    max_minutes: float  # MAX_MINUTES
    web_workers: int  # WEB_WORKERS: processes
    web_threads: int  # WEB_THREADS: threads a process; every open live page takes one
    https: bool  # HTTPS: cookies only over https, and one trusted proxy in front
    log_format: str  # LOG_FORMAT: text, or json with one object a line
    acoustid_api_key: str  # ACOUSTID_API_KEY: whom to ask what a song is called as; "": nobody is asked
    metrics_port: int  # METRICS_PORT: where a process answers /metrics, /healthz and /readyz; 0: nowhere

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * MEGABYTE


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; make `DATA_DIR` and the secret key if they are missing. Raises `ConfigurationError`."""
    read = _Reader(environ)
    data_dir = _folder(read.text("DATA_DIR", "data"))
    return Settings(
        host=read.text("HOST", "127.0.0.1"),
        port=read.integer("PORT", 8000, low=1, high=65535),
        data_dir=data_dir,
        events_url=read.secret("EVENTS_URL") or f"sqlite:///{data_dir}/events.db",
        catalogue_url=read.secret("CATALOGUE_URL") or f"sqlite:///{data_dir}/catalogue.db",
        search_url=read.secret("SEARCH_URL") or f"sqlite:///{data_dir}/search.db",
        files_url=read.secret("FILES_URL") or f"file://{data_dir}/files",
        files_public_url=read.text("FILES_PUBLIC_URL", ""),
        accounts_url=read.secret("ACCOUNTS_URL") or f"sqlite:///{data_dir}/accounts.db",
        secret_key=read.secret("SECRET_KEY") or _kept_secret(data_dir / "secret-key"),
        model=read.text("MODEL", "auto"),
        models_dir=_folder_of_others("MODELS_DIR", read.text("MODELS_DIR", "")),
        device=read.choice("DEVICE", "auto", DEVICES),
        max_upload_mb=read.integer("MAX_UPLOAD_MB", 200, low=1),
        max_minutes=read.number("MAX_MINUTES", 20, low=0.1),
        web_workers=read.integer("WEB_WORKERS", 2, low=1, high=64),
        web_threads=read.integer("WEB_THREADS", 256, low=4, high=2048),
        https=read.choice("HTTPS", "no", ("no", "yes")) == "yes",
        log_format=read.choice("LOG_FORMAT", "text", LOG_FORMATS),
        acoustid_api_key=read.secret("ACOUSTID_API_KEY"),
        metrics_port=read.integer("METRICS_PORT", 0, low=0, high=65535),
    )


def without_password(url: str) -> str:
    """`url` as it may be shown and logged."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*(?=@)", r"\1:***", url)


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def secret(self, name: str) -> str:
        path = self.text(f"{name}_FILE", "")
        return _read_file(f"{name}_FILE", Path(path)) if path else self.text(name, "")

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default).lower()
        if value not in choices:
            raise ConfigurationError(variable=name, hint=f"{value!r} is not one of {', '.join(choices)}")
        return value

    def integer(self, name: str, default: int, *, low: int, high: int | None = None) -> int:
        value = self.number(name, default, low=low, high=high)
        if value != int(value):
            raise ConfigurationError(variable=name, hint=f"{value} is not a whole number")
        return int(value)

    def number(self, name: str, default: float, *, low: float, high: float | None = None) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError as error:
            raise ConfigurationError(variable=name, hint=f"{text!r} is not a number") from error
        if not low <= value <= (high if high is not None else float("inf")):
            raise ConfigurationError(variable=name, hint=f"{text} is outside {low} to {high or 'any'}")
        return value


def _folder(text: str) -> Path:
    """Made if need be, and then for us alone: it holds people's accounts."""
    path = Path(text).expanduser().resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            variable="DATA_DIR", hint=f"cannot make the folder {path}: {error.strerror}"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        hint = f"cannot write into {path}: it is mounted read-only, or belongs to somebody else"
        raise ConfigurationError(variable="DATA_DIR", hint=hint)
    return path


def _folder_of_others(variable: str, text: str) -> Path | None:
    path = Path(text).expanduser().resolve()
    if text and not path.is_dir():
        raise ConfigurationError(variable=variable, hint=f"{path} is no folder; make it, or do not set {variable}")
    return path if text else None


def _read_file(variable: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(variable=variable, hint=f"cannot read {path}: {error.strerror}") from error


def _kept_secret(path: Path) -> str:
    if not path.exists():
        try:
            _make_secret(path)
        except OSError as error:
            raise ConfigurationError(variable="DATA_DIR", hint=f"cannot write {path}: {error.strerror}") from error
    return _read_file("DATA_DIR", path)


def _make_secret(path: Path) -> None:
    """Made by whichever process comes first, the same for all. Linking a finished file is atomic."""
    mine = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        mine.touch(mode=0o600)
        mine.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(mine, path)
    finally:
        mine.unlink(missing_ok=True)
