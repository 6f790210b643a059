"""`demixer duplicates`, `merge` and `unmerge`: songs of the catalogue that turned out to be one."""

import sys
from contextlib import closing

import click

from demixer.domain import Song, require
from demixer.runtime.settings import load
from demixer.services import duplicates, merging, songs
from demixer.services.duplicates import Pair
from demixer.services.listing import every_song
from demixer.wiring import House, open_house


def find(merge: bool) -> None:
    """Prints each pair as `merge` takes it, and merges it where asked to: all are found before the first is merged."""
    with closing(open_house(load())) as house:
        pairs = _found(house)
        for pair in pairs:
            click.echo(f"{pair.other.id}\t{pair.kept.id}\t{_named(pair.other)}\t{_named(pair.kept)}")
        merged = sum(_merged(house, pair) for pair in pairs) if merge else 0
    click.echo(f"Pairs of songs that are one: {len(pairs)}. Merged: {merged}.", err=True)


def merge(song_id: str, into_id: str, anyway: bool) -> None:
    """Raises `NotFound("no-such-song")`, `Refused` ("not-one", and as `merging.merge` does)."""
    with closing(open_house(load())) as house:
        song, into = songs.get(house, song_id), songs.get(house, into_id)
        require(anyway or song.id == into.id or duplicates.same(house, song, into), "not-one")
        kept = merging.merge(house, song.id, into.id)
    click.echo(f"{song.id} is now part of {kept.id} ({_named(kept)}). To undo it: demixer unmerge {song.id}")


def unmerge(song_id: str) -> None:
    """Raises `NotFound("no-such-song")`, `Refused("not-merged")`."""
    with closing(open_house(load())) as house:
        song = merging.unmerge(house, song_id)
    click.echo(f"{song.id} ({_named(song)}) stands for itself again.")


def _found(house: House) -> list[Pair]:
    with click.progressbar(every_song(house.catalogue), label="Comparing songs", file=sys.stderr) as every:
        return [pair for song in every for pair in duplicates.of(house, song)]


def _merged(house: House, pair: Pair) -> bool:
    """False where both are one already, each by a third."""
    if songs.get(house, pair.other.id).id == songs.get(house, pair.kept.id).id:
        return False
    merging.merge(house, pair.other.id, pair.kept.id)
    return True


def _named(song: Song) -> str:
    return songs.file_name(song.tags)
