"""A known song in another encoding: from the end of its upload to `ready`, beside separating it again.

    python -m benchmarks.recognition

Starts the service as `make run` does, with the offline engine, sends four minutes of real music, waits for its stems
(the baseline: what everybody would wait without reuse), then sends transcodes of it as another person.
"""

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import print_table
from tests import music
from tests.e2e.service import Client, service

MINUTES = 4
ENCODINGS = (
    ("mp3", "-b:a", "128k"),
    ("m4a", "-c:a", "aac", "-b:a", "96k"),
    ("ogg", "-q:a", "3"),
    ("opus", "-b:a", "48k"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with service(work / "data", MODEL="spleeter-2stems") as running:
            song = four_minutes(work)
            first = seconds_to_ready(running.person("first@example.org"), song)
            other = running.person("other@example.org")
            reused = [seconds_to_ready(other, song_as(song, work, encoding)) for encoding in ENCODINGS]
    rows = [("separated (baseline)", first, 1.0)]
    rows += [(f"known, as {name}", took, first / took) for (name, *_), took in zip(ENCODINGS, reused, strict=True)]
    rows += [("known, median", statistics.median(reused), first / statistics.median(reused))]
    print_table(("four minutes of music", "seconds to ready", "times faster"), rows)


def four_minutes(work: Path) -> Path:
    """Several tracks of one album in a row, cut to four minutes."""
    parts = work / "parts.txt"
    parts.write_text("".join(f"file '{track}'\n" for track in music.tracks()))
    target = work / "song.flac"
    music.ffmpeg("-f", "concat", "-safe", "0", "-i", str(parts), "-t", str(MINUTES * 60), "-ar", "44100", str(target))
    return target


def song_as(song: Path, work: Path, encoding: tuple[str, ...]) -> Path:
    name, *options = encoding
    return music.converted(song, work / f"known.{name}", *options)


def seconds_to_ready(person: Client, path: Path) -> float:
    upload = person.upload(path)
    began = time.monotonic()
    ended = person.ended(upload["id"], seconds=900)
    assert ended["status"] == "ready", ended
    return time.monotonic() - began


if __name__ == "__main__":
    main()
