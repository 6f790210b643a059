"""The child logs as the service does, with the ids of the job: it is another process, but the same work."""

import json
import subprocess
from typing import Any

import pytest

from demixer.separation.worker import COMMAND

pytestmark = pytest.mark.slow
BROKEN = {"type": "separate", "job": 1, "about": {"song": "s1", "upload": "u1"}}  # without a model: nobody foresaw that


def said(*options: str) -> str:
    """On standard error, by a child that was given a job it cannot do."""
    request = json.dumps(BROKEN) + "\n"
    done = subprocess.run([*COMMAND, *options], input=request, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout)["type"] == "failed"
    return done.stderr


def test_as_json_with_the_ids_of_the_job() -> None:
    (line,) = said("--json").splitlines()
    fields: dict[str, Any] = json.loads(line)
    assert (fields["song"], fields["upload"], fields["level"]) == ("s1", "u1", "ERROR")
    assert "KeyError" in fields["error"]


def test_as_text_with_the_ids_of_the_job() -> None:
    assert "the separation failed [song=s1 upload=u1]" in said()


def test_for_a_person_at_a_terminal_in_one_line() -> None:
    assert said("--terse").splitlines()[-1] == "KeyError: 'model'"
