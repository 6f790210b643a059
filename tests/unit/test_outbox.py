import pytest

from demixer.domain import Failure, Upload, events
from demixer.services import outbox
from demixer.wiring import House
from schemas.errors import BadEvent
from tests.houses import published
from tests.ways import sent, without_log


def saved(house: House, number: int) -> Upload:
    return sent(without_log(house), data=f"song {number}".encode())


def test_what_was_saved_is_published_in_its_order(house: House) -> None:
    uploads = [saved(house, number) for number in range(3)]
    assert published(house) == []
    assert outbox.flush(house.catalogue.outbox, house.events) == 3
    assert sorted(event.subject for event in published(house)) == sorted(upload.id for upload in uploads)
    assert outbox.flush(house.catalogue.outbox, house.events) == 0


def test_more_than_one_page_is_published(house: House) -> None:
    for number in range(105):
        saved(house, number)
    assert outbox.flush(house.catalogue.outbox, house.events) == 105
    assert len(published(house)) == 105


def test_a_busy_log_loses_nothing_and_whoever_saved_does_not_notice(house: House) -> None:
    upload = sent(without_log(house))
    assert [event.subject for event in house.catalogue.outbox.pending()] == [upload.id]
    house.flush()
    assert [event.subject for event in published(house)] == [upload.id]


def test_a_process_killed_between_publishing_and_noting_it_publishes_the_same_event_again(house: House) -> None:
    saved(house, 1)
    outbox.publish(house.events, house.catalogue.outbox.pending())  # killed here
    house.flush()
    first, second = published(house)
    assert first == second


@pytest.mark.parametrize("param", ["\ud800", object(), {1, 2}])
def test_an_event_that_cannot_be_written_down_is_refused_before_it_is_stored(house: House, param: object) -> None:
    upload = saved(house, 1)
    with pytest.raises(BadEvent):
        events.upload_rejected(upload, Failure("too-long", {"max_minutes": param}), house.now())


def test_a_record_names_its_type_and_goes_under_the_key_of_its_subject(house: House) -> None:
    upload = saved(house, 1)
    record = outbox.record(events.upload_received(upload))
    assert (record.topic, record.key) == ("uploads", upload.id)
    assert record.headers["type"] == "upload.received"
