"""How files made of real music in many ways are recognised, beside their songs and beside all others.

    python -m benchmarks.matching [--tracks 100] [--played 20] [--work FOLDER]

Songs are tracks of Debian packages (`corpus`), with the stems of the built-in model, and MIDI songs that are rendered
part by part, so that their stems are exact (`midi`). A file of each transform (`transforms`) goes through what the
`fingerprint` consumer does: it is decoded once, both alignment variants of its fingerprint are made, both index engines
propose songs among many others, and it is compared with its song as in `demixer.recognition.pipeline`.

The table of docs/recognition.md takes `--tracks 100 --played 20 --fill 100000`: about two hours on two cores, and 12 GB
in the work folder. Without options a few songs show that it works. What is there is not made again; `--again` compares
it again, after a threshold was changed. Exit status 1 where a requirement is missed, of a hundred tracks or more.
"""

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from benchmarks.matching import baseline, engines, midi, preparation, run, table, unrelated, verdicts

REQUIRED_TRACKS = 100  # the requirements hold for so many


@click.command(help=__doc__)
@click.option("--tracks", default=4)
@click.option("--played", type=click.IntRange(min=2), default=2, help="MIDI songs.")
@click.option("--fill", default=100_000, help="Synthetic songs in SQLite's index; MongoDB's gets a hundredth of that.")
@click.option("--work", type=click.Path(path_type=Path), help="Kept; without it all is thrown away at the end.")
@click.option("--processes", default=2)
@click.option("--again", is_flag=True, help="Compare all files again.")
@click.option("--only-made", is_flag=True, help="Of the songs that are in the work folder already.")
def main(tracks: int, played: int, fill: int, work: Path | None, processes: int, again: bool, only_made: bool) -> None:
    midi.require_programs()
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = stack.enter_context(run.started(processes))
        if not only_made:
            run.make_all(folder, pool, run.tasks(folder, pool, tracks, played))
        songs = preparation.load_all(folder)
        list(pool.map(partial(verdicts.compare_files, again=again), songs))
        fingerprints = unrelated.all_fingerprints(folder, songs)
        list(pool.map(partial(unrelated.compare_unrelated, folder, fingerprints), songs))
        engines.look_up(folder, songs, fingerprints, fill)
        baseline.measure(folder, list(fingerprints.values()))
        if len(songs) < REQUIRED_TRACKS:
            print("A few songs only: the table of docs/recognition.md takes --tracks 100 --played 20 --work FOLDER.")
        are_met = table.show(folder, songs)
    sys.exit(0 if are_met or tracks < REQUIRED_TRACKS else 1)


if __name__ == "__main__":
    main()
