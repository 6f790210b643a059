import pytest

from consumers.framework.outcome_handler import LONGEST_SECONDS, Backoff

PARTITION = ("songs", 0)


def test_the_last_try_is_the_last() -> None:
    backoff = Backoff(2, chance=lambda: 1.0)
    assert [backoff.next_wait(PARTITION, 5) for _ in range(3)] == [0.5, 1.0, None]
    assert backoff.next_wait(PARTITION, 6) == 0.5


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_without_a_limit_it_goes_on_for_days_once_a_minute(chance: float) -> None:
    backoff = Backoff(None, chance=lambda: chance)
    waits = [backoff.next_wait(PARTITION, 5) or 0.0 for _ in range(5_000)]
    assert waits[0] == 0.25 * (1 + chance)
    assert set(waits[10:]) == {LONGEST_SECONDS * (0.5 + chance / 2)}
