from dataclasses import replace
from functools import partial

import pytest

from consumers.framework import dead_letters
from demixer.cli.dead_letters import ask_again
from demixer.domain import SeparationState, Status, UploadState
from demixer.domain.errors import NotFound, Refused, StorageFull
from demixer.ports import Message
from demixer.wiring import Services
from tests.consumers import consumers_of
from tests.consumers.driving import Recorder, drained, loop_of, publish_bytes, steps
from tests.consumers.test_separate import FakeWorker
from tests.steps import matched, now, sent, separation_of, song_of
from tests.wired import Clock, data_of, published


def refuse(event: object, context: object) -> None:
    raise Refused("not-audio")


def replay(services: Services, letter: dead_letters.DeadLetter) -> None:
    dead_letters.replay(services.events, letter, partial(ask_again, services))


def a_letter(services: Services, clock: Clock, value: bytes = b"nonsense") -> dead_letters.DeadLetter:
    publish_bytes(services, "uploads", value, key="some key", type="some.type")
    drained(services, clock, Recorder().consumer())
    return dead_letters.waiting(services.events)[-1]


def test_a_letter_says_why_from_where_and_when(services: Services, clock: Clock) -> None:
    letter = a_letter(services, clock)
    assert letter.id == "uploads.dead/0/0"
    assert (letter.topic, letter.group, letter.code, letter.time) == ("uploads", "test", "bad-event", clock())
    assert letter.place.endswith("/0")
    assert "CloudEvents" in letter.why
    assert (letter.message.value, letter.event) == (b"nonsense", None)
    assert dead_letters.find(services.events, letter.id) == letter


def test_a_replayed_letter_is_sent_as_it_was_and_is_no_longer_listed(services: Services, clock: Clock) -> None:
    letter = a_letter(services, clock)
    replay(services, letter)
    assert dead_letters.waiting(services.events) == []
    with pytest.raises(NotFound) as caught:
        dead_letters.find(services.events, letter.id)
    assert caught.value.code == "no-such-letter"
    first, second = _records(services)
    assert (first.value, first.key, first.headers) == (second.value, second.key, second.headers)


def _records(services: Services) -> list[Message]:
    subscription = services.events.browse(["uploads"], from_start=True)
    found = list(iter(lambda: subscription.poll(0), None))
    subscription.close()
    return found


def test_a_letter_that_dies_again_is_listed_again(services: Services, clock: Clock) -> None:
    letter = a_letter(services, clock)
    replay(services, letter)
    drained(services, clock, Recorder().consumer())
    (again,) = dead_letters.waiting(services.events)
    assert again.id != letter.id
    assert (again.message.value, again.topic) == (letter.message.value, letter.topic)


def test_an_upload_that_was_given_up_is_tried_again_by_a_replay(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    loop = loop_of(services, consumers_of.fingerprint(services), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(services.analyser, "analyse", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    assert now(services, upload).state is UploadState.FAILED
    replay(services, dead_letters.waiting(services.events)[0])
    again = now(services, upload)
    assert (again.state, again.attempt) == (UploadState.RECEIVED, 2)
    assert [
        data_of(event)["attempt"] for event in published(services, "uploads") if event.type == "upload.received"
    ] == [
        1,
        2,
    ]


def test_a_separation_that_was_given_up_is_asked_for_again_by_a_replay(services: Services, clock: Clock) -> None:
    upload = matched(services, sent(services))
    refusing = replace(consumers_of.separate(services, FakeWorker()), handle=refuse, help_out=None)
    drained(services, clock, refusing)
    separation = separation_of(services, song_of(services, upload.song_id).separation_id)
    assert (separation.state, services.uploads.view(upload).status) == (SeparationState.FAILED, Status.FAILED)
    replay(services, dead_letters.waiting(services.events)[0])
    assert separation_of(services, separation.id).state is SeparationState.REQUESTED
    assert len(published(services, "separations")) == 2


def test_a_replay_disturbs_nothing_that_has_ended_well_meanwhile(services: Services, clock: Clock) -> None:
    upload = matched(services, sent(services))
    separation = separation_of(services, song_of(services, upload.song_id).separation_id)
    consumer = Recorder(refuse).consumer(name="separate", topics=("separations",))
    drained(services, clock, consumer)
    services.separations.cancel(separation.id)
    services.separations.request_again(separation.id)
    replay(services, dead_letters.waiting(services.events)[0])
    assert separation_of(services, separation.id).attempt == 2
