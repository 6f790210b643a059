import pytest

from consumers.framework.backoff import LONGEST_SECONDS, Retries

PLACE = ("songs", 0)


def test_the_last_try_is_the_last() -> None:
    retries = Retries(2, chance=lambda: 1.0)
    assert [retries.next_wait(PLACE, 5) for _ in range(3)] == [0.5, 1.0, None]
    assert retries.next_wait(PLACE, 6) == 0.5


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_without_a_limit_it_goes_on_for_days_once_a_minute(chance: float) -> None:
    retries = Retries(None, chance=lambda: chance)
    waits = [retries.next_wait(PLACE, 5) or 0.0 for _ in range(5_000)]
    assert waits[0] == 0.25 * (1 + chance)
    assert set(waits[10:]) == {LONGEST_SECONDS * (0.5 + chance / 2)}
