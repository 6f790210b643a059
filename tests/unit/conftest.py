from collections.abc import Iterator
from pathlib import Path

import pytest

from demixer.house import House
from tests.houses import Clock, house_in


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Iterator[House]:
    with house_in(tmp_path / "data", clock) as opened:
        yield opened
