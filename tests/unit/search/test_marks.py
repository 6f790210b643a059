import pytest

from search.highlights import marks
from search.queries import words
from tests.contract.search import song


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in marks(words(query), song("s", title=text))["title"]]


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        *[("Help!", "help", ["Help"]), ("“Help” me", "HELP", ["Help"]), ("Do Łodzi", "lod", ["Łodzi"])],
        *[("Love, love me do", "lov", ["Love", "love"]), ("Love me do", "me love", ["Love", "me"])],
        *[("AC/DC Live", "ac dc", ["AC/DC"]), ("AC DC", "ac/dc", ["AC", "DC"]), ("Don't", "dont", ["Don't"])],
        *[("Simon & Garfunkel", "and", ["&"]), ("!!! ???", "!!!", ["!!!"]), ("ガラスの靴 X", "の靴", ["ガラスの靴"])],
    ],
)
def test_whole_words_are_marked_without_what_surrounds_them(text: str, query: str, found: list[str]) -> None:
    assert marked(text, query) == found


def test_a_word_with_a_typo_is_marked_only_where_the_right_one_is_nowhere() -> None:
    assert marked("Live Love", "love") == ["Love"]
    assert marked("Live Loud", "love") == ["Live"]
    assert marked("Loud", "love") == []


def test_a_word_of_the_artist_is_not_marked_as_a_typo_in_the_title() -> None:
    assert marks(words("queen"), song("s", "Queen", "Queer")) == {"artist": [(0, 5)], "album": [], "title": []}


def test_marks_are_apart_and_in_order() -> None:
    spans = marks(words("me love love lo"), song("s", title="love me love"))["title"]
    assert spans == [(0, 4), (5, 7), (8, 12)]
