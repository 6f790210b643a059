"""What is enumerated has one table each; whatever else names a row of it is compared with the table here."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from babel.messages.pofile import read_po

from consumers import fingerprint, index, match, names, registry, separate
from demixer.audio import encode
from demixer.domain.formats import STEM_FORMATS, STORED_FORMATS, UPLOAD_FORMATS, accepted_uploads
from demixer.domain.messages import MESSAGES
from demixer.domain.stems import STEMS, list_position, stem_info
from demixer.runtime.settings import SETTINGS
from demixer.separation import weights
from demixer.separation.models import MODELS, model_info
from schemas.events import ALL
from schemas.topics import all_topics, readers

ROOT = Path(__file__).parents[2]
STATIC, TEMPLATES = ROOT / "web" / "static", ROOT / "web" / "templates"
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
SCRIPTS = "".join(path.read_text() for path in STATIC.glob("js/**/*.js"))
TEMPLATE_TEXTS = {path.name: path.read_text() for path in TEMPLATES.glob("*.html")}
COMPOSE = (ROOT / "docker-compose.yml", ROOT / "docker" / "compose.downloads.yml")


def rows(page: str, first_cell: str = r"`[\w-]+`") -> list[list[str]]:
    """The cells of all Markdown table rows that begin so."""
    lines = re.findall(rf"^\| {first_cell}.*$", page, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def in_words(labels: list[str], last: str = "or") -> str:
    return f"{', '.join(labels[:-1])} {last} {labels[-1]}"


def spanish(text: str) -> str:
    with (ROOT / "web/translations/es/LC_MESSAGES/messages.po").open("rb") as source:
        message = read_po(source, locale="es").get(text)
    assert message is not None
    return str(message.string)


# --- stems ----------------------------------------------------------------------------------------------------------


def test_the_style_sheet_has_the_colours_of_the_stems() -> None:
    light, _, dark = (STATIC / "css" / "tokens.css").read_text().partition("@media (prefers-color-scheme: dark)")
    for stem in STEMS.values():
        assert f"  --{stem.name}: {stem.light};\n" in light
        assert f"    --{stem.name}: {stem.dark};\n" in dark
    classes = re.findall(r"^\.stem-(\w+) { --stem: var\(--(\w+)\); }$", dark, re.MULTILINE)
    assert sorted(classes) == sorted((name, name) for name in STEMS)


def test_every_stem_has_its_icon() -> None:
    symbols = re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text())
    assert {stem.icon for stem in STEMS.values()} <= set(symbols)
    assert len(symbols) == len(set(symbols))


def test_a_stem_that_the_table_does_not_have_is_listed_last_with_a_neutral_look() -> None:
    strings = stem_info("string_section")
    assert (strings.label, strings.light, strings.dark, strings.icon) == ("String section", "", "", "other")
    assert sorted(["string_section", *reversed(list(STEMS))], key=list_position) == [*STEMS, "string_section"]


def test_pages_draw_only_stems_of_the_table() -> None:
    drawn = re.findall(r'^  \("(\w+)", \[', TEMPLATE_TEXTS["_hero_picture.html"], re.MULTILINE)
    assert len(drawn) == 6
    assert set(drawn) <= set(STEMS)


# --- formats --------------------------------------------------------------------------------------------------------


def test_every_format_of_stems_has_options_for_the_encoder() -> None:
    assert set(encode._OPTIONS) == set(STEM_FORMATS)
    assert "flac" in STORED_FORMATS, "the others are made from it on demand"


def test_the_player_reckons_with_the_bit_rate_of_the_mp3() -> None:
    """`tests/browser/test_player.py` plays one."""
    assert re.findall(r"144 \* (\d+)\) / \w+", SCRIPTS) == [str(STEM_FORMATS["mp3"].bit_rate)]
    assert "mp3" in STORED_FORMATS


def test_pages_name_formats_only_by_the_table() -> None:
    upload = {extension for each in UPLOAD_FORMATS for extension in each.extensions}
    for name, text in TEMPLATE_TEXTS.items():
        assert set(re.findall(r'"(\w+)"', text)) & (upload | set(STEM_FORMATS)) == set(), name
    assert set(re.findall(r"stem\.urls\.(\w+)", "".join(TEMPLATE_TEXTS.values()))) == {"mp3"}
    assert 'accept="{{ accepted_uploads }}"' in TEMPLATE_TEXTS["_dropzone.html"]


def test_a_file_picker_offers_sound_and_what_else_has_some() -> None:
    offered = accepted_uploads().split(",")
    assert {"audio/*", "video/mp4", ".mp3", ".flac", ".aiff", ".opus", ".mkv"} <= set(offered)
    assert len(offered) == len(set(offered))


def test_texts_name_the_formats_that_people_may_send() -> None:
    labels = [each.label for each in UPLOAD_FORMATS]
    message = MESSAGES["not-audio"]
    assert f" Send {in_words(labels)}." in message
    assert f" Envía {in_words(labels, 'o')}." in spanish(message)
    assert f"Send {in_words(labels)}." in README
    (some,) = re.findall(r'"([\w, ]+) and most other formats', TEMPLATE_TEXTS["home.html"])
    assert set(some.split(", ")) <= set(labels)
    for code in ("too-large", "took-too-long"):
        assert set(re.findall(r"\b[A-Z]+\d?\b", MESSAGES[code])) - {"MB"} <= set(labels)


def test_texts_name_the_formats_that_stems_come_in() -> None:
    labels = [each.label for each in STEM_FORMATS.values()]
    (told,) = re.findall(r'"([^"]* download each stem as [^"]*)"', TEMPLATE_TEXTS["home.html"])
    assert f"download each stem as {in_words(labels)}." in told
    assert f"descarga cada pista en {in_words(labels, 'o')}." in spanish(told)
    assert f"Each stem comes as {in_words(labels)}." in README
    stored = ", ".join(STEM_FORMATS[extension].label for extension in STORED_FORMATS)
    assert f"{stored} and a waveform of each stem" in (ROOT / "docs" / "operations.md").read_text()


# --- models ---------------------------------------------------------------------------------------------------------


def test_models_are_listed_by_their_rank_and_make_stems_that_the_table_has() -> None:
    assert all(one.rank > other.rank for one, other in pairwise(MODELS.values()))
    assert {stem for model in MODELS.values() for stem in model.stems} == set(STEMS)


@pytest.mark.parametrize("name", MODELS)
def test_weights_come_from_a_package_that_is_installed_or_are_a_release_of_demucs(name: str) -> None:
    model = MODELS[name]
    if model.bundled:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert f"{model.package}=={model.package_version}" in extras["separation"]
    else:
        assert set(weights.definition(name, None).signatures) <= set(weights.release_files())


def test_the_docs_list_every_model() -> None:
    table = CONFIGURATION.partition("\n## Models\n")[2].partition("\n## ")[0]
    bundled = {model.name for model in MODELS.values() if model.bundled}
    assert [row[:3] for row in rows(table)] == [
        [f"`{model.name}`", ", ".join(model.stems), f"{model.licence} ({model.author})"] for model in MODELS.values()
    ]
    assert {row[0].strip("`") for row in rows(table) if "part of the installation" in row[3]} == bundled


def test_the_readme_names_models_and_licences_of_the_table() -> None:
    (row,) = rows(README, "`MODEL`")
    assert set(re.findall(r"`([\w-]+)`", row[2])) <= set(MODELS)
    licences = README.partition("\n## Licence\n")[2]
    for model in MODELS.values():
        assert f"under {model.licence} by {model.author}" in licences


def test_a_model_of_ones_own_has_its_name_and_no_licence() -> None:
    own = model_info("my-own")
    assert (own.label, own.stems, own.licence, own.bundled) == ("my-own", (), "", False)


# --- topics ---------------------------------------------------------------------------------------------------------


def test_every_event_type_is_of_one_topic() -> None:
    listed = [event for topic in all_topics().values() for event in topic.events]
    assert sorted(listed) == sorted({event.TYPE for event in ALL})


def test_consumers_read_the_topics_that_list_them(tmp_path: Path) -> None:
    ports = (MagicMock(),) * 5
    consumers = (
        fingerprint.consumer(*ports[:2]),
        match.consumer(*ports[:3]),
        separate.consumer(*ports, temporary=tmp_path / "tmp", now=MagicMock()),
        index.consumer(*ports[:2]),
        names.consumer(*ports[:1]),
    )
    assert {consumer.name for consumer in consumers} == set(registry.NAMES) - {"maintenance"}
    for consumer in consumers:
        listing = [topic for topic in all_topics().values() if consumer.name in topic.readers + topic.optional_readers]
        assert set(consumer.topics) == {topic.name for topic in listing}, consumer.name


def test_topics_are_written_and_read_by_processes_that_there_are() -> None:
    written = {name for topic in all_topics().values() for name in topic.writers}
    assert written <= {*registry.NAMES, "web", "commands"}
    optional = {name for topic in all_topics().values() for name in topic.optional_readers}
    assert {*readers(), *optional} == set(registry.NAMES) - {"maintenance"}


# --- settings -------------------------------------------------------------------------------------------------------


def test_the_docs_say_of_every_setting_what_the_table_says() -> None:
    table = CONFIGURATION.partition("\n## ")[0]
    cells = {row[0].strip("`"): row for row in rows(table)}
    assert set(cells) == set(SETTINGS)
    for name, setting in SETTINGS.items():
        _, default, told = cells[name]
        assert told.startswith(setting.description), name
        assert all(f"`{choice}`" in default + told for choice in setting.choices), name
        if name != "SECRET_KEY":  # made at the first start
            assert default.strip("`") == setting.default, name


def test_the_docs_say_which_settings_may_come_from_a_file() -> None:
    (told,) = re.findall(r"`_FILE`\s+after its name\. These are ([^.]+)\.", CONFIGURATION)
    assert re.findall(r"`(\w+)`", told) == [name for name, setting in SETTINGS.items() if setting.secret]


def test_the_readme_has_the_defaults_of_the_table() -> None:
    table = README.partition("\n## Settings you may want\n")[2].partition("\n## ")[0]
    for row in rows(table, "`"):
        named, defaults = (re.findall(r"`([^`]+)`", cell) for cell in row[:2])
        assert defaults == [SETTINGS[name].default for name in named if SETTINGS[name].default]


def test_the_example_of_an_environment_has_what_the_compose_files_take_from_it() -> None:
    texts = [path.read_text() for path in COMPOSE]
    given = dict[str, str]()  # name to default
    for service in (one for text in texts for one in yaml.safe_load(text)["services"].values()):
        environment = service.get("environment", {})
        given.update({name: SETTINGS[name].default for name, value in environment.items() if value is None})
    for name, default in re.findall(r"\$\{(\w+):[-?]([^}]*)\}", "".join(texts)):
        given[name] = SETTINGS[name].default if name == "FILES_PUBLIC_URL" else default
    example = (ROOT / ".env.example").read_text()
    assert dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE)) == given
    comments = {name: comment for comment, name in re.findall(r"^# (.*)\n#([A-Z_]+)=", example, re.MULTILINE)}
    for name in given.keys() & SETTINGS.keys():
        assert SETTINGS[name].description in comments[name]
