"""Which installation `demixer migrate` means, from its URL to its settings."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demixer.domain.errors import ConfigurationError
from demixer.runtime import instance_lock
from demixer.runtime.settings import Settings, load

FOLDER, ENVIRONMENT = "file://", "env://"
FROM, TO = "--from", "--to"


def named(source: str | None, target: str | None) -> tuple[Settings, Settings]:
    """The settings of both; one that is not named is that of the environment. Raises `ConfigurationError`."""
    if not source and not target:
        raise ConfigurationError(variable=FROM, hint="name an installation with --from or --to; the other is in force")
    return _settings(FROM, source), _settings(TO, target)


@contextmanager
def stopped(*installations: Settings) -> Iterator[None]:
    """Nothing runs in their folders, and nothing starts there, while the context lasts."""
    with ExitStack() as locks:
        for folder in {settings.data_dir for settings in installations}:
            locks.enter_context(instance_lock.stopped(folder))
        yield


def _settings(option: str, url: str | None) -> Settings:
    if not url:
        return load()
    if url.startswith(FOLDER):
        return load(_embedded(option, _path(url, FOLDER)))
    if url.startswith(ENVIRONMENT):
        return load(_read_environment(option, _path(url, ENVIRONMENT)))
    hint = f"{url!r} names no installation; it should start with {FOLDER} (its folder) or {ENVIRONMENT} (its settings)"
    raise ConfigurationError(variable=option, hint=hint)


def _path(url: str, scheme: str) -> Path:
    return Path(url.removeprefix(scheme)).expanduser()


def _embedded(option: str, folder: Path) -> Mapping[str, str]:
    """A source is only read: no folder is made, and no key for one that takes its key from elsewhere."""
    if option == FROM and not (folder / "catalogue.db").is_file():
        raise ConfigurationError(variable=option, hint=f"{folder} holds no installation: there is no catalogue.db")
    keyless = option == FROM and not (folder / "secret-key").exists()
    return {"DATA_DIR": str(folder), **({"SECRET_KEY": "not in the folder"} if keyless else {})}


def _read_environment(option: str, path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(variable=option, hint=f"cannot read {path}: {error}") from error
    return dict(_assignment(option, line) for line in map(str.strip, lines) if line and not line.startswith("#"))


def _assignment(option: str, line: str) -> tuple[str, str]:
    """As `docker compose` and systemd read it: nothing is expanded, quotes around a value are not part of it."""
    name, equals, value = line.removeprefix("export ").partition("=")
    if not equals:
        raise ConfigurationError(variable=option, hint="a line is not NAME=value (not shown: it may be secret)")
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return name.strip(), value[1:-1] if quoted else value
