import pytest
from flask import Flask

from demixer.domain import Person
from demixer.domain.errors import TooMany
from tests.web.visiting import Browser
from tests.wired import Clock
from web.http import rate_limits
from web.http.rate_limits import FREE_FAILURES, LOOKUPS_AT_ONCE, WAITS, LookupLimit, SignInLimit


def wait_of(limit: SignInLimit, clock: Clock, account: str = "ana", address: str = "10.0.0.1") -> int:
    """Seconds; 0 where the next attempt may come at once."""
    try:
        limit.check(account, address, clock())
    except TooMany as error:
        return int(str(error.params["seconds"]))
    return 0


def test_the_first_failures_are_free_and_then_the_waits_grow_up_to_five_minutes(clock: Clock) -> None:
    limit, waits = SignInLimit(), []
    for _ in range(FREE_FAILURES + len(WAITS) + 2):
        limit.failed("ana", "10.0.0.1")
        waits.append(wait_of(limit, clock))
        clock.advance(waits[-1])
        assert wait_of(limit, clock) == 0
    assert waits == [*[0] * FREE_FAILURES, *WAITS, 300, 300]
    assert waits == sorted(waits)


def test_each_account_and_each_address_waits_for_itself(clock: Clock) -> None:
    limit = SignInLimit()
    for _ in range(FREE_FAILURES + 1):
        limit.failed("Ana@example.com", "10.0.0.1")
    assert wait_of(limit, clock, "ana@example.com") > 0, "case makes no other account"
    assert wait_of(limit, clock, "bea@example.com") == 0
    assert wait_of(limit, clock, "ana@example.com", "10.0.0.2") == 0


def test_the_right_password_ends_the_count(clock: Clock) -> None:
    limit = SignInLimit()
    for _ in range(FREE_FAILURES):
        limit.failed("ana", "10.0.0.1")
    limit.succeeded("ana", "10.0.0.1")
    for _ in range(FREE_FAILURES):
        limit.failed("ana", "10.0.0.1")
    assert wait_of(limit, clock) == 0


def test_the_count_begins_anew_after_an_hour(clock: Clock) -> None:
    limit = SignInLimit()
    for _ in range(FREE_FAILURES + 3):
        limit.failed("ana", "10.0.0.1")
    clock.advance(3600)
    limit.failed("ana", "10.0.0.1")
    assert wait_of(limit, clock) == 0


def test_memory_is_bounded_whatever_accounts_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_WINDOWS", 10)
    limit = SignInLimit()
    for number in range(100):
        limit.failed("x" * 10_000 + str(number), "10.0.0.1")
    assert len(limit._storage.expirations) <= 11
    assert all(len(key) < 200 for key in limit._storage.expirations)


def test_a_person_looks_up_many_at_once_and_then_one_a_second(clock: Clock) -> None:
    limit, waits = LookupLimit(), list[object]()

    def passes(person: str = "ana") -> bool:
        try:
            limit.hit(person, clock())
        except TooMany as error:
            waits.append(error.params["seconds"])
            return False
        return True

    assert [passes() for _ in range(LOOKUPS_AT_ONCE + 1)] == [True] * LOOKUPS_AT_ONCE + [False]
    assert passes("bea")
    for _ in range(5):
        clock.advance(1)
        assert (passes(), passes()) == (True, False)
    assert set(waits) == {1}
    clock.advance(600)
    assert all(passes() for _ in range(LOOKUPS_AT_ONCE))


def test_who_has_to_wait_is_told_how_long(app: Flask, ana: Person) -> None:
    guesser = Browser(app)
    for _ in range(FREE_FAILURES + 1):
        guesser.sign_in(password="a wrong guess")
    response = guesser.sign_in(password="a wrong guess")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "2")
    assert "Wait 2 seconds" in response.text
