import os
import select
import signal
import sys
from pathlib import Path

import psutil
import pytest

from demixer.audio import sandbox
from demixer.audio.sandbox import SIDE, Child, Limits
from demixer.domain.errors import Refused, Transient

PYTHON = (sys.executable, "-I", "-c")


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="waits for a grandchild by its pidfd")
def test_a_child_that_hangs_is_killed_with_what_it_started() -> None:
    with Child(["sh", "-c", "sleep 600 & echo $!; wait"], limits=Limits(wait=0.3)) as child:
        grandchild = os.pidfd_open(int(child.read()))
        with pytest.raises(Refused, match="took-too-long"):
            child.read()
    assert gone(child._process.pid)
    ended, _, _ = select.select([grandchild], [], [], 10)  # readable once it is no more
    os.close(grandchild)
    assert ended


def test_the_time_between_two_reads_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 100))
    with Child(["cat", "/dev/zero"], limits=Limits(wait=150)) as child:
        child.read()
        monkeypatch.setattr("demixer.audio.sandbox.time.monotonic", lambda: next(clock))
        child.read()  # 100 s by this clock, between its two looks
        with pytest.raises(Refused, match="took-too-long"):
            child.read()


def test_a_child_that_uses_up_its_processor_time_took_too_long() -> None:
    with Child([*PYTHON, "while True: pass"], limits=Limits(cpu=1)) as child, pytest.raises(Refused) as error:
        child.finish()
    assert error.value.code == "took-too-long"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces it")
def test_a_child_cannot_take_more_memory_than_allowed() -> None:
    outcome = sandbox.run([*PYTHON, "x = bytearray(300 << 20)"], limits=Limits(data=128))
    assert outcome.code == 1
    assert "MemoryError" in outcome.log


def test_a_child_that_is_killed_from_outside_is_not_taken_for_one_that_ended() -> None:
    with Child(["sh", "-c", "echo here; exec sleep 600"]) as child:
        child.read()
        os.kill(child._process.pid, signal.SIGKILL)
        with pytest.raises(Transient):
            child.finish()


def test_leaving_the_context_early_ends_the_child() -> None:
    with Child(["cat", "/dev/zero"]) as child:
        child.read()
        pid = child._process.pid
    assert gone(pid)


def test_every_limit_is_set() -> None:
    with Child(["sh", "-c", "ulimit -St; ulimit -Ht; ulimit -d; ulimit -v"], limits=Limits(cpu=7, data=300)) as child:
        said = b"".join(child.blocks()).split()
        assert child.finish().log == ""
    assert said[:2] == [b"7", b"12"]
    if sys.platform == "linux":
        assert said[2:] == [b"307200", b"2097152"]


def test_a_flood_of_messages_is_kept_to_its_beginning_and_end() -> None:
    script = "import sys; sys.stderr.write('first' + 'x' * 5_000_000 + 'last')"
    outcome = sandbox.run([*PYTHON, script])
    assert len(outcome.log) <= 64 * 1024
    assert outcome.log.startswith("first")
    assert outcome.log.endswith("last")


def test_output_messages_and_side_pipe_can_all_be_full_at_once() -> None:
    script = """
import os, sys
side = int(sys.argv[1].partition(":")[2])
for _ in range(50):
    os.write(1, b"o" * 20_000); os.write(2, b"e" * 20_000); os.write(side, b"s" * 20_000)
"""
    with Child([*PYTHON, script, SIDE]) as child:
        assert sum(map(len, child.blocks())) == 1_000_000
        assert child.finish().side == b"s" * 1_000_000


def test_the_file_is_its_standard_input_and_the_environment_stays_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    song = tmp_path / "-i concat:x|y.mp3"
    song.write_bytes(b"the song")
    with Child(["sh", "-c", "cat; env; pwd"], source=song) as child:
        said = b"".join(child.blocks()).decode()
        child.finish()
    assert said.startswith("the song")
    assert "do not tell" not in said
    assert said.endswith("\n/\n")


def test_writing_to_a_child_that_has_ended_raises() -> None:
    with Child(["true"]) as child, pytest.raises(BrokenPipeError):
        child.write(b"x" * 10_000_000)


def test_no_pipe_stays_open(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    sandbox.run(["true", SIDE])
    with pytest.raises(FileNotFoundError):
        Child(["true", SIDE], source=tmp_path / "nothing")
    assert psutil.Process().num_fds() == before
