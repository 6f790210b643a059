import pytest

from consumers import fingerprint, separate
from consumers.framework import dead_letters
from demixer.domain import SeparationState, Status, UploadState
from demixer.domain.errors import NotFound, Refused, StorageFull
from demixer.ports import Message
from demixer.services import separations, uploads
from demixer.wiring import House
from tests.consumers.driving import Recorder, drained, loop_of, publish_bytes, steps
from tests.houses import Clock, data_of, published
from tests.ways import matched, now, sent, separation_of, song_of


def refuse(event: object, context: object) -> None:
    raise Refused("not-audio")


def a_letter(house: House, clock: Clock, value: bytes = b"nonsense") -> dead_letters.DeadLetter:
    publish_bytes(house, "uploads", value, key="some key", type="some.type")
    drained(house, clock, Recorder().consumer())
    return dead_letters.waiting(house.events)[-1]


def test_a_letter_says_why_from_where_and_when(house: House, clock: Clock) -> None:
    letter = a_letter(house, clock)
    assert letter.id == "uploads.dead/0/0"
    assert (letter.topic, letter.group, letter.code, letter.time) == ("uploads", "test", "bad-event", clock())
    assert letter.place.endswith("/0")
    assert "CloudEvents" in letter.why
    assert (letter.message.value, letter.event) == (b"nonsense", None)
    assert dead_letters.find(house.events, letter.id) == letter


def test_a_replayed_letter_is_sent_as_it_was_and_is_no_longer_listed(house: House, clock: Clock) -> None:
    letter = a_letter(house, clock)
    dead_letters.replay(house, letter)
    assert dead_letters.waiting(house.events) == []
    with pytest.raises(NotFound) as caught:
        dead_letters.find(house.events, letter.id)
    assert caught.value.code == "no-such-letter"
    first, second = _records(house)
    assert (first.value, first.key, first.headers) == (second.value, second.key, second.headers)


def _records(house: House) -> list[Message]:
    subscription = house.events.browse(["uploads"], from_start=True)
    found = list(iter(lambda: subscription.poll(0), None))
    subscription.close()
    return found


def test_a_letter_that_dies_again_is_listed_again(house: House, clock: Clock) -> None:
    letter = a_letter(house, clock)
    dead_letters.replay(house, letter)
    drained(house, clock, Recorder().consumer())
    (again,) = dead_letters.waiting(house.events)
    assert again.id != letter.id
    assert (again.message.value, again.topic) == (letter.message.value, letter.topic)


def test_an_upload_that_was_given_up_is_tried_again_by_a_replay(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(house)
    loop = loop_of(house, fingerprint.consumer(house), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(fingerprint, "listen", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    assert now(house, upload).state is UploadState.FAILED
    dead_letters.replay(house, dead_letters.waiting(house.events)[0])
    again = now(house, upload)
    assert (again.state, again.attempt) == (UploadState.RECEIVED, 2)
    assert [data_of(event)["attempt"] for event in published(house, "uploads") if event.type == "upload.received"] == [
        1,
        2,
    ]


def test_a_separation_that_was_given_up_is_asked_for_again_by_a_replay(house: House, clock: Clock) -> None:
    upload = matched(house, sent(house))
    consumer = Recorder(refuse).consumer(name="separate", topics=("separations",), give_up=separate.give_up)
    drained(house, clock, consumer)
    separation = separation_of(house, song_of(house, upload.song_id).separation_id)
    assert (separation.state, uploads.view(house, upload).status) == (SeparationState.FAILED, Status.FAILED)
    dead_letters.replay(house, dead_letters.waiting(house.events)[0])
    assert separation_of(house, separation.id).state is SeparationState.REQUESTED
    assert len(published(house, "separations")) == 2


def test_a_replay_disturbs_nothing_that_has_ended_well_meanwhile(house: House, clock: Clock) -> None:
    upload = matched(house, sent(house))
    separation = separation_of(house, song_of(house, upload.song_id).separation_id)
    consumer = Recorder(refuse).consumer(name="separate", topics=("separations",))
    drained(house, clock, consumer)
    separations.cancel(house, separation.id)
    separations.request_again(house, separation.id)
    dead_letters.replay(house, dead_letters.waiting(house.events)[0])
    assert separation_of(house, separation.id).attempt == 2
