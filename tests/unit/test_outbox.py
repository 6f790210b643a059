import pytest

from demixer.domain import Failure, Upload, events
from demixer.services import outbox
from demixer.wiring import Services
from schemas.errors import BadEvent
from tests.steps import sent, without_log
from tests.wired import published


def saved(services: Services, number: int) -> Upload:
    return sent(without_log(services), data=f"song {number}".encode())


def test_what_was_saved_is_published_in_its_order(services: Services) -> None:
    uploads = [saved(services, number) for number in range(3)]
    assert published(services) == []
    assert outbox.flush(services.catalogue.outbox, services.events) == 3
    assert sorted(event.subject for event in published(services)) == sorted(upload.id for upload in uploads)
    assert outbox.flush(services.catalogue.outbox, services.events) == 0


def test_more_than_one_page_is_published(services: Services) -> None:
    for number in range(105):
        saved(services, number)
    assert outbox.flush(services.catalogue.outbox, services.events) == 105
    assert len(published(services)) == 105


def test_a_busy_log_loses_nothing_and_whoever_saved_does_not_notice(services: Services) -> None:
    upload = sent(without_log(services))
    assert [event.subject for event in services.catalogue.outbox.pending()] == [upload.id]
    services.flush()
    assert [event.subject for event in published(services)] == [upload.id]


def test_a_process_killed_between_publishing_and_noting_it_publishes_the_same_event_again(services: Services) -> None:
    saved(services, 1)
    outbox.publish(services.events, services.catalogue.outbox.pending())  # killed here
    services.flush()
    first, second = published(services)
    assert first == second


@pytest.mark.parametrize("param", ["\ud800", object(), {1, 2}])
def test_an_event_that_cannot_be_written_down_is_refused_before_it_is_stored(services: Services, param: object) -> None:
    upload = saved(services, 1)
    with pytest.raises(BadEvent):
        events.upload_rejected(upload, Failure("too-long", {"max_minutes": param}), services.clock())


def test_a_record_names_its_type_and_goes_under_the_key_of_its_subject(services: Services) -> None:
    upload = saved(services, 1)
    record = outbox.record(events.upload_received(upload))
    assert (record.topic, record.key) == ("uploads", upload.id)
    assert record.headers["type"] == "upload.received"
