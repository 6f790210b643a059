"""Every text that a person may read is there in every language, and the compiled files are those of the sources."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from web.presentation.language import DEFAULT, LANGUAGES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "web/translations"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "_l": None}
ROOMS = ("web", "demixer", "consumers", "search")
TRANSLATED = sorted(set(LANGUAGES) - {DEFAULT})
PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


def catalogue(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES/messages.po").open("rb") as source:
        return read_po(source, locale=language)


def texts_in_use() -> set[str | tuple[str, str]]:
    """What the code and the templates ask translations of. A plural is a pair."""
    with (ROOT / "babel.cfg").open() as source:
        methods, options = parse_mapping_cfg(source)  # type: ignore[no-untyped-call]
    found = set()
    for room in ROOMS:
        here = [(pattern.removeprefix(f"{room}/"), method) for pattern, method in methods]
        for _, _, text, _, _ in extract_from_dir(ROOT / room, here, options, KEYWORDS):
            found.add(text if isinstance(text, str) else (text[0], text[1]))
    return found


def messages(language: str) -> Iterator[Message]:
    return (message for message in catalogue(language) if message.id)


def strings(text: str | list[str] | tuple[str, ...] | None) -> list[str]:
    return [text or ""] if text is None or isinstance(text, str) else list(text)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_in_use_is_translated(language: str) -> None:
    known = {message.id for message in messages(language) if all(strings(message.string))}
    in_use = texts_in_use()
    assert len(in_use) > 200
    assert in_use - known == set(), "run `make translations` and fill in what is new"


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_fuzzy_or_out_of_use(language: str) -> None:
    assert [message.id for message in messages(language) if message.fuzzy] == []
    assert {message.id for message in messages(language)} - texts_in_use() == set()


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_fills_in_what_its_text_fills_in(language: str) -> None:
    for message in messages(language):
        wanted = {name for text in strings(message.id) for name in PLACEHOLDER.findall(text)}
        for translation in strings(message.string):
            assert set(PLACEHOLDER.findall(translation)) == wanted, translation


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_file_is_that_of_the_source(language: str) -> None:
    fresh = io.BytesIO()
    write_mo(fresh, catalogue(language))
    fresh.seek(0)
    with (FOLDER / language / "LC_MESSAGES/messages.mo").open("rb") as compiled:
        assert texts_of(read_mo(compiled)) == texts_of(read_mo(fresh)), "run `make translations`"


def texts_of(catalogue: Catalog) -> set[tuple[str, ...]]:
    return {(*strings(message.id), *strings(message.string)) for message in catalogue if message.id}
