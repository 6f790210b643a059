"""From the URLs of the settings to the engines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from demixer import wiring
from demixer.domain.errors import ConfigurationError
from demixer.ports import Record
from demixer.runtime.settings import load
from schemas.topics import all_topics

OPENERS: list[tuple[str, Callable[[str], object]]] = [
    ("EVENTS_URL", wiring.open_events),
    ("CATALOGUE_URL", wiring.open_catalogue),
    ("CATALOGUE_URL", wiring.open_fingerprints),
    ("SEARCH_URL", wiring.open_search),
    ("ACCOUNTS_URL", wiring.open_accounts),
    ("FILES_URL", wiring.open_files),
]


@pytest.mark.parametrize("url", ["postgres://db/x", "", "SQLITE:///a.db"])
@pytest.mark.parametrize(("variable", "opener"), OPENERS)
def test_an_unknown_scheme_is_an_error_that_names_the_variable(
    variable: str, opener: Callable[[str], object], url: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: .*should start with (sqlite|file)://"):
        opener(url)


def test_the_standard_settings_open_every_engine_below_the_data_folder(tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path)})
    for opener, url in (
        (wiring.open_events, settings.events_url),
        (wiring.open_catalogue, settings.catalogue_url),
        (wiring.open_fingerprints, settings.catalogue_url),
        (wiring.open_search, settings.search_url),
        (wiring.open_accounts, settings.accounts_url),
    ):
        opener(url).close()
    wiring.open_files(settings.files_url)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "accounts.db",
        "catalogue-fingerprints.db",
        "catalogue.db",
        "events.db",
        "files",
        "search.db",
        "secret-key",
    ]


def test_events_have_the_partitions_that_the_schemas_say(tmp_path: Path) -> None:
    log = wiring.open_events(f"sqlite:///{tmp_path}/events.db")
    for topic in all_topics().values():
        log.publish([Record(topic=topic.name, key=str(n), value=b"") for n in range(200)])
        browser = log.browse([topic.name], from_start=True)
        used = {message.partition for message in iter(lambda: browser.poll(0), None)}  # noqa: B023
        assert used == set(range(topic.partitions))
    log.close()
