import pytest

from search.highlights import highlights
from search.queries import words
from tests.contract.search import song


def highlighted(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in highlights(words(query), song("s", title=text))["title"]]


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        *[("Help!", "help", ["Help"]), ("“Help” me", "HELP", ["Help"]), ("Do Łodzi", "lod", ["Łodzi"])],
        *[("Love, love me do", "lov", ["Love", "love"]), ("Love me do", "me love", ["Love", "me"])],
        *[("AC/DC Live", "ac dc", ["AC/DC"]), ("AC DC", "ac/dc", ["AC", "DC"]), ("Don't", "dont", ["Don't"])],
        *[("Simon & Garfunkel", "and", ["&"]), ("!!! ???", "!!!", ["!!!"]), ("ガラスの靴 X", "の靴", ["ガラスの靴"])],
    ],
)
def test_whole_words_are_highlighted_without_what_surrounds_them(text: str, query: str, found: list[str]) -> None:
    assert highlighted(text, query) == found


def test_a_word_with_a_typo_is_highlighted_only_where_the_right_one_is_nowhere() -> None:
    assert highlighted("Live Love", "love") == ["Love"]
    assert highlighted("Live Loud", "love") == ["Live"]
    assert highlighted("Loud", "love") == []


def test_a_word_of_the_artist_is_not_highlighted_as_a_typo_in_the_title() -> None:
    assert highlights(words("queen"), song("s", "Queen", "Queer")) == {"artist": [(0, 5)], "album": [], "title": []}


def test_highlights_are_apart_and_in_order() -> None:
    spans = highlights(words("me love love lo"), song("s", title="love me love"))["title"]
    assert spans == [(0, 4), (5, 7), (8, 12)]
