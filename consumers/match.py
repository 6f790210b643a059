"""`match`: uploads join songs, and leave them. One ordered partition, milliseconds for each event."""

from collections.abc import Callable
from functools import cache

from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event, Failure
from demixer.separation import models
from demixer.services import analyses, matching, removals
from demixer.wiring import House


def consumer(house: House, model: Callable[[], str] | None = None) -> Consumer:
    """`model` names the model for new songs; by default what `MODEL` stands for, found out with the first new song."""
    model = model or cache(lambda: models.resolve(house.settings).name)

    def handle(event: Event, context: Context) -> None:
        if event.type == "upload.fingerprinted":
            matching.match(context.house, event, model)
        elif event.type == "upload.withdrawn":
            removals.withdraw(context.house, event)

    return Consumer(name="match", topics=("matching",), handle=handle, give_up=give_up)


def give_up(event: Event, failure: Failure, context: Context) -> None:
    if event.type == "upload.fingerprinted":
        analyses.give_up(context.house, event, failure)
