"""`demixer check`, `reindex`, `separate-again` and `topics`: what whoever runs the service needs now and then."""

from collections.abc import Sequence
from contextlib import closing

import click

from demixer import wiring
from demixer.domain.errors import DemixerError, ModelUnavailable, Refused
from demixer.domain.messages import sentence
from demixer.ports import table_export
from demixer.runtime.settings import load
from demixer.separation import models
from demixer.services.listing import every_song
from demixer.wiring import Services, services_of
from schemas.topics import all_topics, dead_letter_topic


def check() -> int:
    """Returns 1 if anything is not as it should be."""
    from demixer.cli import check

    good = True
    for finding in check.of_environment():
        good = good and finding.ok
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.text}")
        if finding.hint:
            click.echo(f"      {finding.hint}")
    return 0 if good else 1


def reindex(fingerprints: bool) -> None:
    settings = load()
    with services_of(settings) as services:
        count = wiring.reindex(services.catalogue, services.search)
        click.echo(f"The search index holds {count} songs.")
        if fingerprints:
            with closing(wiring.open_catalogue_export(settings.catalogue_url)) as export:
                count = services.fingerprints.rebuild(table_export.fingerprints(export.rows("songs")))
            click.echo(f"The fingerprint index holds {count} songs.")


def separate_again(song_ids: Sequence[str], every: bool) -> int:
    """Returns 1 if any song that was named cannot be separated again."""
    if every == bool(song_ids):
        raise click.UsageError("Name the songs, or say --all.")
    settings = load()
    with services_of(settings) as services:
        model = services.capabilities.model_for_new_songs()
        if model is None:
            raise ModelUnavailable(model=settings.model, reason="no separation worker has said yet what it can do")
        return _all_again(services, model) if every else _named_again(services, model, song_ids)


def create_topics() -> None:
    """With those of the dead letters, so that nobody else needs the right to make topics."""
    with closing(wiring.open_events(load().events_url)) as log:
        changed = log.create_topics([*all_topics(), *map(dead_letter_topic, all_topics())])
    for topic in all_topics().values():
        kept = "for ever" if topic.retention_hours is None else f"{topic.retention_hours:g} h"
        click.echo(f"{topic.name}\t{topic.partitions} partitions\tkept {kept}\t{', '.join(topic.events)}")
    click.echo(f"Made, or given more partitions: {', '.join(changed) or 'none, all were there'}.", err=True)


def _all_again(services: Services, model: str) -> int:
    asked = 0
    for song in every_song(services.catalogue):
        try:
            services.separations.separate_again(song, model, models.better_than)
            asked += 1
        except Refused:
            continue  # it has the best already, or nothing to make it from
    click.echo(f"Asked {model} to separate {asked} songs again.")
    return 0


def _named_again(services: Services, model: str, song_ids: Sequence[str]) -> int:
    failed = 0
    for song_id in song_ids:
        try:
            services.separations.separate_again(services.songs.get(song_id), model, models.better_than)
            click.echo(f"{song_id}: asked {model} to separate it again.")
        except DemixerError as error:
            failed = 1
            click.echo(f"{song_id}: {sentence(error.code, error.params)}", err=True)
    return failed
