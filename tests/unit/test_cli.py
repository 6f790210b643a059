"""Every command as a person types it, in this process."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from consumers.framework import dead_letters
from demixer.cli import check, main, separate
from demixer.domain.errors import SeparationFailed, Transient
from demixer.runtime.settings import load
from demixer.separation import preflight
from demixer.separation.separate import Made
from demixer.separation.worker import Progress
from demixer.services.duplicates import DuplicatePair, Duplicates
from demixer.wiring import open_services
from tests import audio_samples
from tests.consumers.driving import Recorder, loop_of, publish_bytes, steps
from tests.steps import STEMS, an_analysis, matched, sent, separated, stem_files
from tests.wired import Clock, a_worker, published, settings_in

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("token", "create", "a@b.cc")` gives exit code, output and errors."""
    for name in ("PORT", "MODEL", "MODELS_DIR", "DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MODEL", "spleeter-2stems")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main.run_command(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def report_worker(model: str) -> None:
    """As the separation worker of a running service does."""
    with closing(open_services(load())) as services:
        services.capabilities.report(a_worker(services.clock(), model))


@pytest.mark.timed
def test_help_is_quick_and_names_every_command() -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "demixer.cli.main", "--help"], capture_output=True, text=True, check=True
    )
    assert time.monotonic() - began < 2  # 0.1 s on an idle machine
    commands = ["run", "web", "consume", "check", "topics", "separate", "reindex", "migrate", "account", "token"]
    commands += ["duplicates", "merge", "unmerge"]
    for command in [*commands, "dead-letters"]:
        assert command in done.stdout


def test_help_loads_no_engine() -> None:
    script = "import sys; from demixer.cli import main; main.run_command(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for module in ("torch", "numpy", "sqlite3", "flask", "demixer.wiring"):
        assert f"'{module}'" not in done.stdout


def test_an_account_and_its_token(run: Run) -> None:
    code, out, _ = run("account", "create", "Ana@Example.org", stdin="correct horse battery\n")
    assert (code, "ana@example.org" in out.lower()) == (0, True)
    code, out, err = run("token", "create", "ana@example.org")
    assert (code, len(out.split()), err) == (0, 1, "")
    accounts = open_services(load()).accounts
    person = accounts.by_token(out.strip())
    accounts.close()
    assert person is not None


@pytest.mark.parametrize(
    ("arguments", "stdin", "text"),
    [
        (("account", "create", "ana@example.org"), "short\n", "at least 10 characters"),
        (("account", "create", "nonsense"), "correct horse battery\n", "e-mail address"),
        (("token", "create", "nobody@example.org"), "", "no account"),
        (("dead-letters", "show", "uploads.dead/0/0"), "", "no dead letter"),
        (("dead-letters", "replay", "uploads.dead/0/0"), "", "no dead letter"),
        (("separate-again", "nothing"), "", "no such song"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run: Run, arguments: tuple[str, ...], stdin: str, text: str) -> None:
    report_worker("spleeter-2stems")
    code, out, err = run(*arguments, stdin=stdin)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert text in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("consume",),
        ("consume", "nobody"),
        ("separate", "missing.mp3"),
        ("dead-letters", "replay"),
        ("dead-letters", "replay", "--all", "one"),
        ("separate-again",),
    ],
)
def test_a_wrong_use_is_explained(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Usage:" in err


@pytest.mark.parametrize(("name", "value"), [("PORT", "x"), ("EVENTS_URL", "carrier-pigeon://home"), ("MODEL", "best")])
def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    code, _, err = run("run")
    assert code == 2
    assert err.startswith(f"{name}: ")


def test_an_unexpected_error_is_one_line_and_its_place_shown_when_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr("demixer.cli.maintenance.load", bug)
    code, _, err = run("reindex")
    assert (code, len(err.splitlines())) == (1, 1)
    with pytest.raises(KeyError):
        run("--debug", "reindex")


def test_reindex_says_how_many(run: Run, tmp_path: Path) -> None:
    services = open_services(load())
    separated(services, tmp_path / "stems", matched(services, sent(services)).song_id or "")
    services.close()
    assert run("reindex")[:2] == (0, "The search index holds 1 songs.\n")


def test_the_fingerprint_index_is_made_again_from_the_catalogue(run: Run) -> None:
    with closing(open_services(load())) as services:
        song_id = matched(services, sent(services)).song_id or ""
        services.fingerprints.remove(song_id)
        assert run("reindex", "--fingerprints")[1].endswith("The fingerprint index holds 1 songs.\n")
        assert services.fingerprints.candidates([an_analysis().fingerprint]) == [song_id]


def test_check_says_that_the_fingerprint_index_was_lost(run: Run, tmp_path: Path) -> None:
    with closing(open_services(load())) as services:
        song_id = matched(services, sent(services)).song_id or ""
        separated(services, tmp_path / "stems", song_id)
        assert "ok    the newest song is found by its fingerprint" in run("check")[1]
        services.fingerprints.remove(song_id)
    code, out, _ = run("check")
    assert (code, "demixer reindex --fingerprints" in out) == (1, True)
    run("reindex", "--fingerprints")
    assert run("check")[0] == 0


@pytest.fixture
def pair(run: Run, tmp_path: Path) -> list[str]:
    """Two songs with stems, of different recordings."""
    with closing(open_services(load())) as services:
        made = [
            matched(services, sent(services, "ana", bytes([n])), an_analysis(n, title=f"No {n}")).song_id or ""
            for n in (1, 2)
        ]
        for song_id in made:
            separated(services, tmp_path / song_id, song_id)
    return made


def test_duplicates_are_listed_and_merged_only_with_the_option(
    run: Run, pair: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_services(load())) as services:
        kept, other = (services.songs.get(song_id) for song_id in pair)
    monkeypatch.setattr(Duplicates, "of", lambda self, song: [DuplicatePair(kept=song, other=other)])
    monkeypatch.setattr("demixer.cli.duplicates.every_song", lambda catalogue: [kept])
    code, out, err = run("duplicates")
    assert (code, out) == (0, f"{pair[1]}\t{pair[0]}\tSomebody - No 2\tSomebody - No 1\n")
    assert err.endswith("Pairs of songs that are one: 1. Merged: 0.\n")
    assert run("duplicates", "--merge")[2].endswith("Pairs of songs that are one: 1. Merged: 1.\n")
    assert run("unmerge", pair[1])[:2] == (0, f"{pair[1]} (Somebody - No 2) is a song of its own again.\n")


def test_a_catalogue_without_duplicates_says_so(run: Run, pair: list[str]) -> None:
    code, out, err = run("duplicates")
    assert (code, out) == (0, "")
    assert err.endswith("Pairs of songs that are one: 0. Merged: 0.\n")


def test_songs_that_are_not_duplicates_are_merged_only_with_the_option(run: Run, pair: list[str]) -> None:
    code, out, err = run("merge", pair[1], pair[0])
    assert (code, out) == (1, "")
    assert "not the same recording in the same mix" in err
    code, out, _ = run("merge", pair[1], pair[0], "--anyway")
    assert (code, "demixer unmerge " + pair[1] in out) == (0, True)
    assert run("unmerge", pair[1])[0] == 0
    assert run("unmerge", pair[1])[::2] == (1, "This song was not merged into another one.\n")
    assert run("unmerge", "nobody")[0] == 1
    with closing(open_services(load())) as services:
        assert [event.type for event in published(services, "songs")][-2:] == ["song.merged", "song.unmerged"]
        assert services.catalogue.outbox.pending() == [], "a command publishes what it saved"


def test_nothing_is_separated_again_before_a_worker_has_said_what_it_can_do(run: Run) -> None:
    for arguments in (("nothing",), ("--all",)):
        code, out, err = run("separate-again", *arguments)
        assert (code, out, "no separation worker has said yet what it can do" in err) == (1, "", True)


def test_songs_of_a_worse_model_can_be_separated_again(run: Run, tmp_path: Path) -> None:
    services = open_services(load())
    song_id = matched(services, sent(services)).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    services.close()
    code, _, err = run("separate-again", song_id)
    assert (code, "no better model" in err) == (1, True)
    assert "separate 0 songs" in run("separate-again", "--all")[1]
    report_worker("htdemucs")
    assert "separate 1 songs" in run("separate-again", "--all")[1]
    assert run("separate-again", song_id)[0] == 0


def test_the_topics_are_listed(run: Run) -> None:
    _, out, _ = run("topics", "create")
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        "uploads",
        "matching",
        "separations",
        "songs",
        "progress",
    ]


def test_dead_letters_are_listed_shown_and_replayed(run: Run) -> None:
    assert "no dead letters" in run("dead-letters", "list")[2]
    clock = Clock()
    services = open_services(load())
    publish_bytes(services, "uploads", b"\xffnonsense", key="k")
    loop = loop_of(services, Recorder().consumer(), clock)
    steps(loop, 5)
    loop._leave()
    (letter,) = dead_letters.waiting(services.events)
    services.close()
    _, out, _ = run("dead-letters", "list")
    assert (out.count("\n"), letter.id in out, "BadEvent: " in out) == (1, True, True)
    _, out, _ = run("dead-letters", "show", letter.id)
    assert "dead-group: test" in out
    assert "nonsense" in out
    assert run("dead-letters", "replay", "--all")[:2] == (0, f"Sent again: {letter.id}\n")
    assert run("dead-letters", "list")[1] == ""


# --- separate -------------------------------------------------------------------------------------------------------


class FakeWorker:
    """Writes two stems, or fails with `error`."""

    error: BaseException | None = None

    def __init__(self, settings: object, command: object) -> None:
        pass

    def separate(
        self, source: Path, folder: Path, model: str, *, on_progress: Callable[[Progress], None], should_stop: object
    ) -> Made:
        on_progress(Progress(0.4, 2.0, model, "CPU"))
        if self.error:
            raise self.error
        stem_files(folder)
        return Made(model=model, parameters=model, device="CPU", duration=9.0, gain=1.0, stems=STEMS)

    def close(self) -> None:
        pass


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    monkeypatch.setattr(separate, "SeparationWorker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "error", None)
    return FakeWorker


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return audio_samples.write(tmp_path / "song.flac", audio_samples.music(6.0))


def test_a_song_is_separated_into_a_folder_and_nothing_else_is_written(
    run: Run, worker: type[FakeWorker], song: Path, tmp_path: Path
) -> None:
    code, out, err = run("separate", str(song), "--out", "made/here")
    assert code == 0
    assert out.splitlines() == [
        f"made/here/{name}.{kind}" for name in ("vocals", "accompaniment") for kind in ("flac", "mp3")
    ]
    assert "spleeter-2stems on CPU" in err
    assert sorted(os.listdir(tmp_path)) == ["made", "song.flac"]
    assert sorted(f"made/here/{name}" for name in os.listdir(tmp_path / "made/here")) == sorted(out.splitlines())


@pytest.mark.parametrize("out", ["song.flac", "song.flac/below", "/dev/null/x", "/proc/x"])
def test_a_folder_that_cannot_be_written_is_said_before_the_work(
    run: Run, worker: type[FakeWorker], song: Path, tmp_path: Path, out: str
) -> None:
    worker.error = AssertionError("it began")
    code, printed, err = run("separate", str(song), "--out", out)
    assert (code != 0, printed) == (True, "")
    assert "--out" in err.splitlines()[-1]
    assert "began" not in err
    assert os.listdir(tmp_path) == ["song.flac"]


def test_a_separation_that_fails_leaves_the_folder_as_it_was(
    run: Run, worker: type[FakeWorker], song: Path, tmp_path: Path
) -> None:
    worker.error = SeparationFailed("worker-died")
    stem_files(tmp_path / "stems")
    before = sorted(os.listdir(tmp_path / "stems"))
    assert run("separate", str(song), "--out", "made/here")[0] == 1
    assert run("separate", str(song), "--out", "stems")[0] == 1
    assert sorted(os.listdir(tmp_path / "stems")) == before
    assert sorted(os.listdir(tmp_path)) == ["song.flac", "stems"]


@pytest.mark.parametrize(("seconds", "text"), [(None, None), (0, None), (9, "0:09 left"), (125, "2:05 left")])
def test_the_time_left_is_the_one_the_worker_expects(seconds: int | None, text: str | None) -> None:
    assert separate._time_left(seconds) == text


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SeparationFailed("worker-died"), 1, "stopped unexpectedly"),
        (KeyboardInterrupt(), main.INTERRUPTED, "Stopped."),
        (RuntimeError("bug"), 1, "RuntimeError"),
    ],
)
def test_a_separation_that_fails_says_why(
    run: Run, worker: type[FakeWorker], song: Path, error: BaseException, code: int, text: str
) -> None:
    worker.error = error
    got, out, err = run("separate", str(song))
    assert (got, out) == (code, "")
    assert text in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "text"), [(b"", "file is empty"), (b"%PDF-1.7", "not an audio file"), (os.urandom(5000), "audio")]
)
def test_what_is_no_song_is_refused(
    run: Run, worker: type[FakeWorker], tmp_path: Path, content: bytes, text: str
) -> None:
    (tmp_path / "x.mp3").write_bytes(content)
    code, out, err = run("separate", "x.mp3")
    assert (code, out) == (1, "")
    assert text in err.splitlines()[-1]
    assert os.listdir(tmp_path) == ["x.mp3"]


def test_a_device_that_is_none_is_a_wrong_use(run: Run, worker: type[FakeWorker], song: Path) -> None:
    code, _, err = run("separate", str(song), "--device", "tpu")
    assert (code, err.startswith("DEVICE: ")) == (2, True)


@pytest.mark.parametrize("command", [("check",), ("run",), ("web",), ("reindex",), ("token", "create", "a@b.cc")])
def test_a_data_folder_that_cannot_be_written_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("demixer.runtime.settings.os.access", lambda *_: False)
    code, out, err = run(*command)
    assert code != 0
    assert len((out + err).splitlines()) == 1
    assert "DATA_DIR: cannot write into" in out + err


def test_a_port_that_is_taken_stops_the_web_server_with_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        code, out, err = run("web")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "is taken by another program" in err


def test_a_device_that_is_not_there_stops_the_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "cuda")
    no = (sys.executable, "-c", "import sys; print(sys.argv[1], 'is not there'); sys.exit(1)")
    monkeypatch.setattr(preflight, "LOOK", no)
    assert run("run")[::2] == (2, "DEVICE: cuda is not there\n")


@pytest.mark.parametrize("gigabytes", [0.02, 1.5, 100])
def test_little_space_is_shown_in_megabytes(gigabytes: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=int(gigabytes * 1024**3))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    finding = check._disk(settings_in(tmp_path))
    size = {0.02: "20 MB", 1.5: "1.5 GB", 100: "100.0 GB"}[gigabytes]
    assert (finding.ok, finding.text) == (gigabytes > 2, f"{size} are free in DATA_DIR")


def test_without_a_folder_to_write_into_nothing_is_said_of_what_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demixer.separation.diagnostics.findings", lambda _: [])
    settings = settings_in(tmp_path, data_dir=tmp_path / "gone")
    assert [finding.text for finding in check.findings(settings) if not finding.ok] == [
        f"DATA_DIR {tmp_path}/gone cannot be written: No such file or directory"
    ]


def test_a_broken_engine_is_explained_in_words() -> None:
    busy = Transient(key="check/1")
    busy.__cause__ = OSError("unable to open the file")
    finding = check._broken("files", "file:///x", busy)
    assert "try-again" not in finding.text + finding.hint
    assert finding.hint == "unable to open the file"
    assert check._broken("files", "file:///x", Transient(key="check/1")).hint == ""


@pytest.mark.slow
def test_check_finds_everything_in_order_and_names_what_is_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("check")
    assert (code, "FAIL" in out) == (0, False)
    for what in ("ffmpeg", "events", "catalogue", "search", "files", "accounts", "model spleeter-2stems"):
        assert what in out
    monkeypatch.setenv("CATALOGUE_URL", "sqlite:////dev/null/x.db")
    code, out, _ = run("check")
    assert code == 1
    assert "FAIL  catalogue" in out
