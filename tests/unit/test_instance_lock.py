import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demixer.domain.errors import ConfigurationError
from demixer.runtime import instance_lock
from demixer.runtime.settings import Settings
from tests.wired import settings_in


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with listening() as server:
        port = port_of(server)
    return settings_in(tmp_path, port=port)


def test_a_second_service_on_the_same_folder_is_refused(settings: Settings) -> None:
    with instance_lock.occupied(settings):
        with pytest.raises(ConfigurationError) as caught, instance_lock.occupied(settings):
            pass
        assert caught.value.params["variable"] == "DATA_DIR"
        assert str(os.getpid()) in str(caught.value)
    with instance_lock.occupied(settings):
        pass


def test_a_port_that_is_taken_is_refused_at_once(tmp_path: Path) -> None:
    with listening() as server:
        taken = settings_in(tmp_path, port=port_of(server))
        with pytest.raises(ConfigurationError) as caught, instance_lock.occupied(taken, wait=_never):
            pass
    assert caught.value.params["variable"] == "PORT"
    assert "is taken" in str(caught.value)


def test_a_web_server_alone_is_refused_a_taken_port_too(tmp_path: Path) -> None:
    with listening() as server:
        taken = settings_in(tmp_path, port=port_of(server))
        with pytest.raises(ConfigurationError, match=r"PORT: .* is taken"):
            instance_lock.check_port(taken)
    instance_lock.check_port(taken)


def test_a_lock_that_cannot_be_written_names_the_folder(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / instance_lock.LOCK).mkdir()
    with pytest.raises(ConfigurationError, match="DATA_DIR: cannot write"), instance_lock.occupied(settings):
        pass


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught, instance_lock.occupied(settings_in(tmp_path, host="192.0.2.1")):
        pass
    assert caught.value.params["variable"] == "HOST"


def test_after_a_kill_it_waits_until_the_children_have_released_the_port(tmp_path: Path) -> None:
    with listening() as server:
        settings = settings_in(tmp_path, port=port_of(server))
        (tmp_path / instance_lock.LOCK).write_text("4711\n")  # who had it was killed
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            server.close()

        with instance_lock.occupied(settings, wait=wait):
            assert len(waited) == 1
    assert (tmp_path / instance_lock.LOCK).read_text() == ""


def test_it_does_not_wait_for_ever_for_the_port(tmp_path: Path) -> None:
    (tmp_path / instance_lock.LOCK).write_text("4711\n")
    waited: list[float] = []
    with listening() as server:
        settings = settings_in(tmp_path, port=port_of(server))
        with pytest.raises(ConfigurationError), instance_lock.occupied(settings, wait=waited.append):
            pass
    assert sum(waited) == pytest.approx(instance_lock.HEIRS_SECONDS, abs=0.2)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fe80::1", "http://[fe80::1]:8000"),
        ("demixer.example", "http://demixer.example:8000"),
    ],
)
def test_the_address_is_one_that_a_browser_can_open(tmp_path: Path, host: str, url: str) -> None:
    assert instance_lock.address(settings_in(tmp_path, host=host)) == url


def _never(seconds: float) -> None:
    pytest.fail("it waited")


def test_a_metrics_port_that_is_taken_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    with listening() as other:
        port = port_of(other)
        for first, processes in ((port, 1), (port - 1, 5)):
            with pytest.raises(ConfigurationError, match=r"METRICS_PORT.* port \d+"):
                instance_lock.check_metrics_ports(settings_in(tmp_path, metrics_port=first), processes)
    instance_lock.check_metrics_ports(settings_in(tmp_path, metrics_port=0), 5)
