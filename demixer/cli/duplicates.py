"""`demixer duplicates`, `merge` and `unmerge`: songs of the catalogue that turned out to be one."""

import sys

import click

from demixer.domain import Song, require
from demixer.runtime.settings import load
from demixer.services.listing import every_song
from demixer.services.songs import file_name
from demixer.wiring import services_of


def find(merge: bool) -> None:
    """Prints each pair as `merge` takes it, and merges it where asked to: all are found before the first is merged."""
    with services_of(load()) as services:
        with click.progressbar(every_song(services.catalogue), label="Comparing songs", file=sys.stderr) as every:
            pairs = [pair for song in every for pair in services.duplicates.of(song)]
        for pair in pairs:
            click.echo(f"{pair.other.id}\t{pair.kept.id}\t{_named(pair.other)}\t{_named(pair.kept)}")
        merged = 0
        for pair in pairs if merge else ():
            songs = [services.songs.get(one.id) for one in (pair.other, pair.kept)]
            if songs[0].id != songs[1].id:  # otherwise both are one already, each by a third
                services.merging.merge(pair.other.id, pair.kept.id)
                merged += 1
    click.echo(f"Pairs of songs that are one: {len(pairs)}. Merged: {merged}.", err=True)


def merge(song_id: str, into_id: str, anyway: bool) -> None:
    """Raises `NotFound("no-such-song")`, `Refused` ("not-one", and as `Merging.merge` does)."""
    with services_of(load()) as services:
        song, into = services.songs.get(song_id), services.songs.get(into_id)
        require(anyway or song.id == into.id or services.duplicates.are_same(song, into), "not-one")
        kept = services.merging.merge(song.id, into.id)
    click.echo(f"{song.id} is now part of {kept.id} ({_named(kept)}). To undo it: demixer unmerge {song.id}")


def unmerge(song_id: str) -> None:
    """Raises `NotFound("no-such-song")`, `Refused("not-merged")`."""
    with services_of(load()) as services:
        song = services.merging.unmerge(song_id)
    click.echo(f"{song.id} ({_named(song)}) is a song of its own again.")


def _named(song: Song) -> str:
    return file_name(song.tags)
