"""Fixtures of the web tests: the helpers are in `tests.web.visiting`."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from demixer.domain import Person
from demixer.wiring import Services
from tests.web.visiting import Browser
from tests.wired import Clock, services_in
from web.app import close, create_app


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _limits_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows of `limits` go by the clock of the test."""
    monkeypatch.setattr("limits.storage.memory.time", SimpleNamespace(time=clock.monotonic))


@pytest.fixture(scope="session")
def empty_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases with their tables made, to copy: making them takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty-installation")
    with services_in(folder):
        pass
    return folder


@pytest.fixture
def services(tmp_path: Path, clock: Clock, empty_installation: Path) -> Iterator[Services]:
    shutil.copytree(empty_installation, tmp_path, dirs_exist_ok=True)
    with services_in(tmp_path, clock, max_upload_mb=1, model="spleeter-2stems") as opened:
        yield opened


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(services: Services, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    made = create_app(services)
    made.jinja_env.bytecode_cache = compiled_templates
    yield made
    close(made)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def ana(browser: Browser, services: Services) -> Person:
    """Signed in, in `browser`."""
    browser.sign_up()
    person = services.accounts.authenticate("ana@example.com", "correct horse battery")
    assert person
    return person
