"""What is recognised as what: files made of real music in many ways, each compared with its song and with all others.

    python -m benchmarks.matching [--tracks 100] [--played 20] [--work FOLDER]

Songs are tracks of Debian packages (`corpus`), with the stems of the built-in model, and MIDI songs that a program
plays part by part, so that their stems are exact (`midi`). A file of each kind (`kinds`) goes through what the
`fingerprint` consumer does: decoded once, printed in two phases, proposed by both index engines among many other songs,
compared with its song by `demixer.recognition.similarity`, and where that says "same", by its sound.

The table of docs/recognition.md takes `--tracks 100 --played 20 --fill 100000`: about two hours on two cores, and 12 GB
in the work folder. Without options a few songs show that it works. What is there is not made again; `--judge` compares
anew what was made, after the rule was changed. Exit status 1 where a promise is broken, of a hundred tracks or more.
"""

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from benchmarks.matching import baseline, engines, judging, midi, preparing, run, strangers, table

WHOLE = 100  # tracks: what is promised is promised for so many


@click.command(help=__doc__)
@click.option("--tracks", default=4)
@click.option("--played", type=click.IntRange(min=2), default=2, help="MIDI songs.")
@click.option("--fill", default=100_000, help="Synthetic songs in SQLite's index; MongoDB's gets a hundredth of that.")
@click.option("--work", type=click.Path(path_type=Path), help="Kept; without it all is thrown away at the end.")
@click.option("--processes", default=2)
@click.option("--judge", is_flag=True, help="Compare all files anew.")
@click.option("--only-made", is_flag=True, help="Of the songs that are in the work folder already.")
def main(tracks: int, played: int, fill: int, work: Path | None, processes: int, judge: bool, only_made: bool) -> None:
    midi.needed()
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = stack.enter_context(run.started(processes))
        if not only_made:
            run.make_all(folder, pool, run.tasks(folder, pool, tracks, played))
        songs = preparing.ready(folder)
        list(pool.map(partial(judging.judge, again=judge), songs))
        prints = strangers.all_prints(folder, songs)
        list(pool.map(partial(strangers.meet, folder, prints), songs))
        engines.look_up(folder, songs, prints, fill)
        baseline.measure(folder, list(prints.values()))
        if len(songs) < WHOLE:
            print("A few songs only: the table of docs/recognition.md takes --tracks 100 --played 20 --work FOLDER.")
        kept = table.show(folder, songs)
    sys.exit(0 if kept or tracks < WHOLE else 1)


if __name__ == "__main__":
    main()
