"""Small programs stand in for web and consumers; time is the test's."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demixer.cli import supervisor
from demixer.cli.supervisor import Child, Clock, Supervisor
from tests.wired import settings_in

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)
SHORT = (sys.executable, "-c", "pass")


class Time:
    """Passes only when somebody waits; a real moment goes by then, so that real processes get on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        import time

        self.seconds += seconds
        time.sleep(0.005)


def supervising(
    children: list[Child],
    answers: Callable[[], bool] = lambda: False,
    opened: Callable[[], object] = lambda: None,
) -> tuple[Supervisor, list[str], Time]:
    said: list[str] = []
    time = Time()
    clock = Clock(now=time.now, wait=time.wait)
    made = Supervisor(children, say=said.append, open_at="http://here:1", answers=answers, opened=opened, clock=clock)
    return made, said, time


def pid(child: Child) -> int:
    assert child._process
    return child._process.pid


def until(condition: Callable[[], bool], step: Callable[[], object]) -> None:
    """As often as it takes; the test's time limit is the limit."""
    while not condition():
        step()


def passing(running: Supervisor, time: Time, seconds: float) -> None:
    time.wait(seconds)
    running._run_once()


def up(child: Child) -> bool:
    return child.log.exists() and b"up" in child.log.read_bytes()


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child("sleep", SLEEP, tmp_path / "sleep.log")


def test_it_says_once_where_to_open_it_when_the_web_server_answers(child: Child) -> None:
    answers = iter([False, True, True])
    opened: list[bool] = []
    running, said, _ = supervising([child], lambda: next(answers), lambda: opened.append(bool(said)))
    for _ in range(3):
        running._run_once()
    running._stop_all()
    assert opened == [True]
    assert said == ["Isolaatti Demixer is open at http://here:1 (Ctrl-C stops it)"]


def test_one_that_is_killed_is_started_again_and_that_is_said(child: Child) -> None:
    running, said, time = supervising([child])
    running._run_once()
    first = pid(child)
    time.seconds += 60
    os.kill(first, signal.SIGKILL)
    until(lambda: bool(said), lambda: passing(running, time, 0))
    running._run_once()
    assert pid(child) != first
    assert "sleep stopped unexpectedly (signal 9); starting it again now" in said[0]
    assert str(child.log) in said[0]
    running._stop_all()


def test_one_that_dies_soon_after_its_start_waits_longer_each_time(tmp_path: Path) -> None:
    child = Child("short", SHORT, tmp_path / "short.log")
    running, _, time = supervising([child])
    waits = []
    for _ in range(4):
        until(lambda: child.running, lambda: passing(running, time, 0.1))
        until(lambda: not child.running, lambda: running._bury(child, time.now()))
        waits.append(child.due - time.now())
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6])


def test_a_consumer_that_gave_up_on_itself_is_left_alone_for_minutes() -> None:
    assert supervisor._wait_after(supervisor.BREAKER, 1) == supervisor.BREAKER_WAIT
    assert supervisor._wait_after(1, 50) == supervisor.LONGEST_WAIT


def test_a_stop_ends_everything(child: Child) -> None:
    running, said, _ = supervising([child])
    running._run_once()
    first = pid(child)
    running.stop()
    running.run()
    assert child.has_stopped()
    assert not _alive(first)
    assert said == []


def test_a_process_that_does_not_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    child = Child("stubborn", STUBBORN, tmp_path / "stubborn.log")
    running, _, time = supervising([child])
    running._run_once()
    until(lambda: up(child), lambda: time.wait(0))
    began = time.now()
    running._stop_all()
    assert supervisor.STOP_SECONDS <= time.now() - began < supervisor.STOP_SECONDS + 1
    assert not _alive(pid(child))


def test_a_log_that_grew_large_makes_room_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = (sys.executable, "-c", "import time; print('a long history', flush=True); time.sleep(60)")
    child = Child("echo", echo, tmp_path / "echo.log")
    running, _, time = supervising([child])
    running._run_once()
    until(lambda: b"history" in child.log.read_bytes(), lambda: time.wait(0))
    monkeypatch.setattr(supervisor, "LOG_BYTES", 10)
    passing(running, time, supervisor.ROOM_SECONDS)
    assert (tmp_path / "echo.log.1").read_text() == "a long history\n"
    assert child.log.read_text() == ""
    running._stop_all()


def test_a_log_that_is_emptied_goes_on_at_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = "import sys; print('first', flush=True); sys.stdin.read(); print('second', flush=True)"
    log = tmp_path / "twice.log"
    monkeypatch.setattr(supervisor, "LOG_BYTES", 1)
    with (
        log.open("ab") as out,
        subprocess.Popen([sys.executable, "-c", twice], stdin=subprocess.PIPE, stdout=out) as process,
    ):
        until(lambda: log.read_text() == "first\n", os.sched_yield)
        supervisor._make_room(log)
        process.communicate()
    assert log.read_text() == "second\n"


def test_every_process_on_one_machine_has_a_port_for_its_metrics(tmp_path: Path) -> None:
    environments = [supervisor._environ(name, settings_in(tmp_path, metrics_port=9100)) for name in supervisor.PROGRAMS]
    assert [each["METRICS_PORT"] for each in environments] == ["9100", "9101", "9102", "9103", "9104"]
    assert supervisor._environ("match", settings_in(tmp_path)) == {"METRICS_PORT": "0"}


def test_names_are_looked_up_only_where_there_is_a_key(tmp_path: Path) -> None:
    without, with_key = settings_in(tmp_path), settings_in(tmp_path, acoustid_api_key="k")
    assert supervisor.arguments_of("index", without) == ["consume", "index", "maintenance"]
    assert supervisor.arguments_of("index", with_key) == ["consume", "index", "maintenance", "names"]
    others = set(supervisor.PROGRAMS) - {"index"}
    assert not any("names" in supervisor.arguments_of(other, with_key) for other in others)


def test_children_die_with_the_supervisor_even_when_it_is_killed(tmp_path: Path) -> None:
    end = "from demixer.runtime.parent_watchdog import die_with; die_with(os.getppid()); print(os.getpid(), flush=True)"
    child = f"import os, time; {end}; time.sleep(60)"
    middle = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", middle], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        grandchild = int(process.stdout.readline())
        process.kill()
        assert process.stdout.read() == ""  # the pipe ends with the last who held it
    until(lambda: not _alive(grandchild), os.sched_yield)


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from demixer.runtime import parent_watchdog; parent_watchdog.die_with(1 << 22)"],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def _alive(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE
