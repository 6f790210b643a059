"""A child of `SeparationWorker` that speaks the protocol and does no separation: what it does, the job's model says."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

MADE = {
    "model": "fake",
    "parameters": "fake;1",
    "device": "a drawer",
    "duration": 6.0,
    "gain": 0.5,
    "stems": [{"name": "vocals", "peak": 1.98}],
}


def say(job: dict[str, Any], what: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"type": what, "job": job["job"], **fields}) + "\n")
    sys.stdout.flush()


def listen() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def write(job: dict[str, Any], name: str) -> None:
    path = Path(job["folder"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"by {os.getpid()}")


def finish(job: dict[str, Any]) -> None:
    write(job, "vocals.flac")
    say(job, "done", made=MADE)


def work(job: dict[str, Any]) -> None:
    say(job, "loaded", model=job["model"], device="a drawer")
    say(job, "progress", fraction=0.1)
    match job["model"]:
        case "quick":
            finish(job)
        case "obedient":  # stops when asked
            assert listen()["type"] == "stop"
            say(job, "failed", error="Cancelled", code="cancelled", params={})
        case "late":  # has finished when the stop arrives
            assert listen()["type"] == "stop"
            finish(job)
        case "deaf":  # in the middle of a chunk that takes for ever
            write(job, ".separating/vocals.flac")
            signal.pause()
        case "mortal":
            write(job, ".separating/vocals.flac")
            sys.stdout.write('{"type": "prog')
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        case "fussy":
            say(job, "failed", error="Refused", code="damaged-audio", params={"file": "x"})
        case "crammed":
            say(job, "failed", error="SeparationFailed", code="out-of-memory", params={"device": "a drawer"})


while True:
    message = listen()
    if message["type"] == "separate":
        work(message)
