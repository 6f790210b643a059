"""Each threshold has a row: its unit, its meaning, and a source that exists."""

import re
from pathlib import Path

import pytest

from demixer.recognition import thresholds

SOURCE = Path(thresholds.__file__).read_text()
ROWS = re.findall(r"(?:^# (?P<row>.*)\n)?^(?P<name>[A-Z][A-Z_]+) = ", SOURCE, re.MULTILINE)
SOURCES = dict(re.findall(r"^\[([\w-]+)\] (.*(?:\n(?!\[|\n|\"\"\").*)*)", thresholds.__doc__ or "", re.MULTILINE))
PAGE = (Path(__file__).parents[3] / "docs" / "recognition.md").read_text()


def test_all_thresholds_are_rows() -> None:
    assert {name for _, name in ROWS} == {name for name in vars(thresholds) if name.isupper()}
    assert len(ROWS) > 60


@pytest.mark.parametrize(("row", "name"), ROWS, ids=[name for _, name in ROWS])
def test_a_threshold_has_a_unit_a_meaning_and_a_source(row: str, name: str) -> None:
    unit, meaning, source = row.split(" | ")
    assert unit
    assert meaning
    assert re.fullmatch(r"\[([\w-]+)\]", source)
    assert source.strip("[]") in SOURCES


@pytest.mark.parametrize("source", SOURCES)
def test_a_section_that_is_cited_exists(source: str) -> None:
    for section in re.findall(r'docs/recognition\.md, "([^"]+)"', SOURCES[source]):
        assert re.search(rf"^#+ {re.escape(section)}$", PAGE, re.MULTILINE), section
