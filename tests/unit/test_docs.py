"""What the docs promise must be there: every event, every metric, every link."""

import inspect
import json
import re
from pathlib import Path

import pytest

import consumers.framework.metrics
import demixer.services.metrics
import web.http.metrics
from schemas.document import document
from schemas.topics import all_topics

ROOT = Path(__file__).parents[2]
METERED = (consumers.framework.metrics, demixer.services.metrics, web.http.metrics)
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_the_page_on_events_is_fresh() -> None:
    assert (ROOT / "docs" / "events.md").read_text() == document(), "run `make docs`"


def test_the_page_on_events_shows_every_topic_type_and_field() -> None:
    page = document()
    for topic in all_topics().values():
        assert f"\n## {topic.name}\n" in page
        for event_type in topic.events:
            for path in (ROOT / "schemas" / "json" / event_type).glob("*.json"):
                section = page.partition(f"\n### {event_type}, version {path.stem}\n")[2].partition("\n### ")[0]
                for field in json.loads(path.read_text())["properties"]:
                    assert f"| `{field}` | " in section, (event_type, path.stem, field)


def test_the_page_on_running_the_service_names_only_metrics_there_are() -> None:
    made = set(re.findall(r'"(demixer_\w+)"', "".join(inspect.getsource(module) for module in METERED)))
    named = re.findall(r"`?(demixer_\w+)", (ROOT / "docs" / "operations.md").read_text())
    plain = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in named}
    assert plain <= made
    assert made <= plain, "metrics that the page does not name"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
