"""All settings: one frozen object, read once from the environment.

`Settings` is the only table of them: the variable of a field has its name in capitals, and the annotation says how it
is read. `tests/unit/test_tables.py` compares it with the docs and the examples. Every error names its variable.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from demixer.domain.errors import ConfigurationError

MEGABYTE = 1024 * 1024


def _text(variable: str, text: str) -> str:
    return text


def _number(low: float, high: float | None = None) -> Callable[[str, str], float]:
    def read(variable: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise ConfigurationError(variable=variable, hint=f"{text!r} is not a number") from error
        if not low <= value <= (high if high is not None else float("inf")):
            raise ConfigurationError(variable=variable, hint=f"{text} is outside {low} to {high or 'any'}")
        return value

    return read


def _integer(low: int, high: int | None = None) -> Callable[[str, str], int]:
    def read(variable: str, text: str) -> int:
        value = _number(low, high)(variable, text)
        if value != int(value):
            raise ConfigurationError(variable=variable, hint=f"{value} is not a whole number")
        return int(value)

    return read


def _yes(variable: str, text: str) -> bool:
    return text == "yes"


def _data_dir(variable: str, text: str) -> Path:
    """The folder, made if need be, and then for us alone: it holds people's accounts."""
    path = Path(text).expanduser().resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(variable=variable, hint=f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        hint = f"cannot write into {path}: it is mounted read-only, or belongs to somebody else"
        raise ConfigurationError(variable=variable, hint=hint)
    return path


def _existing_folder(variable: str, text: str) -> Path | None:
    path = Path(text).expanduser().resolve()
    if text and not path.is_dir():
        raise ConfigurationError(variable=variable, hint=f"{path} is no folder; make it, or do not set {variable}")
    return path if text else None


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table."""

    default: str  # as the variable would have it, with DATA_DIR for its value; "": not set
    description: str  # one line; `docs/configuration.md` begins with it
    read: Callable[[str, str], Any] = _text  # from the variable's name and its text; raises `ConfigurationError`
    choices: tuple[str, ...] = ()
    secret: bool = False  # or a URL that may hold one: may also come from the file that `NAME_FILE` names


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    host: Annotated[str, Setting("127.0.0.1", "the address the web server listens on")]
    port: Annotated[int, Setting("8000", "the port it listens on", _integer(1, 65535))]
    data_dir: Annotated[Path, Setting("data", "where the embedded engines keep everything", _data_dir)]
    model: Annotated[str, Setting("auto", "the separation model")]
    models_dir: Annotated[
        Path | None, Setting("", "a folder with weights, looked at before any download", _existing_folder)
    ]
    device: Annotated[str, Setting("auto", "what the model runs on", choices=("auto", "cpu", "cuda", "mps"))]
    max_upload_mb: Annotated[int, Setting("200", "the largest file somebody may send, in MB", _integer(1))]
    max_minutes: Annotated[float, Setting("20", "the longest song, in minutes", _number(0.1))]
    web_workers: Annotated[int, Setting("2", "web processes", _integer(1, 64))]
    web_threads: Annotated[int, Setting("256", "threads of each web process", _integer(4, 2048))]
    https: Annotated[bool, Setting("no", "whether a proxy in front speaks https", _yes, choices=("no", "yes"))]
    secret_key: Annotated[str, Setting("", "signs the sessions", secret=True)]
    events_url: Annotated[str, Setting("sqlite:///DATA_DIR/events.db", "the event log", secret=True)]
    catalogue_url: Annotated[
        str,
        Setting(
            "sqlite:///DATA_DIR/catalogue.db", "songs, uploads, separations, libraries and fingerprints", secret=True
        ),
    ]
    search_url: Annotated[str, Setting("sqlite:///DATA_DIR/search.db", "the search index", secret=True)]
    files_url: Annotated[str, Setting("file://DATA_DIR/files", "audio, stems and covers", secret=True)]
    files_public_url: Annotated[str, Setting("", "where people's browsers reach the S3 store of `FILES_URL`")]
    accounts_url: Annotated[str, Setting("sqlite:///DATA_DIR/accounts.db", "people and their API tokens", secret=True)]
    acoustid_api_key: Annotated[str, Setting("", "a key of AcoustID, which is asked for names", secret=True)]
    log_format: Annotated[str, Setting("text", "how log lines are written", choices=("text", "json"))]
    metrics_port: Annotated[
        int, Setting("0", "where each process answers `/metrics`, `/healthz` and `/readyz`", _integer(0, 65535))
    ]

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * MEGABYTE


SETTINGS: Mapping[str, Setting] = {  # by variable
    name.upper(): hint.__metadata__[0] for name, hint in get_type_hints(Settings, include_extras=True).items()
}


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; make `DATA_DIR` and the secret key if they are missing. Raises `ConfigurationError`."""
    values: dict[str, Any] = {}
    for variable, setting in SETTINGS.items():
        text = _given(environ, variable, setting.secret)
        text = text or setting.default.replace("DATA_DIR", str(values.get("data_dir")))
        if setting.choices and (text := text.lower()) not in setting.choices:
            hint = f"{text!r} is not one of {', '.join(setting.choices)}"
            raise ConfigurationError(variable=variable, hint=hint)
        values[variable.lower()] = setting.read(variable, text)
    values["secret_key"] = values["secret_key"] or _kept_secret(values["data_dir"] / "secret-key")
    return Settings(**values)


def without_password(url: str) -> str:
    """`url` as it may be shown and logged."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*(?=@)", r"\1:***", url)


def _given(environ: Mapping[str, str], variable: str, secret: bool) -> str:
    """What the environment has, or the file that it names for a secret; "" for nothing."""
    path = environ.get(f"{variable}_FILE", "").strip() if secret else ""
    return _read_file(f"{variable}_FILE", Path(path)) if path else environ.get(variable, "").strip()


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
