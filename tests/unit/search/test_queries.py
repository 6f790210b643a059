import random

import pytest
from rapidfuzz.distance import OSA

from search.queries import Word, lookup_keys, near, phrase, terms, typo_keys, words


def texts(query: str) -> list[str]:
    return [word.text for word in words(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Dancing  QUEEN", ["dancing", "queen"]),
        ("Don't", ["dont"]),
        ("Ünïcödé", ["unicode"]),
        ("ﬁnal Straße Ærøskøbing Łódź", ["final", "strasse", "aeroskobing", "lodz"]),
        ("İstanbul ılık", ["istanbul", "ilik"]),
        ("ＦＵＬＬ ｗｉｄｔｈ", ["full", "width"]),
        ("Ёлка ΣΊΣΥΦΟΣ", ["елка", "σισυφοσ"]),
        ("أُمّ", ["ام"]),
        ("abba - the best", ["abba", "the", "best"]),
        ("- ?!", ["-", "?!"]),
        ("a\0b\tc\u200bd", ["a", "b", "cd"]),
        ("\ud800x", ["x"]),
        ("''", []),
        ("x" * 50, ["x" * 32]),
        ("1 2 3 4 5 6 7 8 9 10", ["1", "2", "3", "4", "5", "6", "7", "8"]),
    ],
)
def test_a_query_is_folded_into_words(query: str, expected: list[str]) -> None:
    assert texts(query) == expected


def test_japanese_voiced_sounds_stay_apart() -> None:
    assert texts("が") != texts("か")


def test_punctuation_inside_a_word_gives_two_spellings() -> None:
    assert words("AC/DC") == (Word("acdc", ("ac", "dc")),)
    assert terms("AC/DC") == ["acdc", "ac", "dc"]


def test_words_without_spaces_are_found_from_every_letter_on() -> None:
    assert terms("宇多田ヒカル")[:3] == ["宇多田ヒカル", "多田ヒカル", "田ヒカル"]
    assert terms("東京ska") == ["東京ska", "京ska", "ska"]
    assert terms("word") == ["word"]


def test_an_ampersand_is_also_and() -> None:
    assert "and" in terms("Simon & Garfunkel")


def test_a_phrase_is_the_whole_text_however_it_is_written() -> None:
    assert phrase("Dancing Queen!") == phrase(words("dáncing queen")) == "dancing_queen"
    assert phrase("") == ""


@pytest.mark.parametrize(("word", "letters"), [("abc", 0), ("abcd", 1), ("abcdefg", 1), ("abcdefgh", 2), ("1999", 0)])
def test_longer_words_forgive_more(word: str, letters: int) -> None:
    assert Word(word).tolerance == letters


def test_a_word_begins_a_term_whole_or_in_parts() -> None:
    assert words("ac/d")[0].begins_one_of(["x", "acdc"])
    assert words("ac/d")[0].begins_one_of(["dc", "ac"])
    assert not words("ac/d")[0].begins_one_of(["ac", "x"])


def test_near_terms_are_the_nearest_first_and_limited() -> None:
    candidates = ["metallica", "metallic", "metal", "mettalica", "italica"]
    assert near(Word("metalica"), candidates, limit=9) == {"metallic": 2, "metallica": 1, "mettalica": 1, "italica": 2}
    assert near(Word("metalica"), candidates, limit=2) == {"metallica": 1, "mettalica": 1}


def test_the_lookup_keys_of_a_word_find_every_term_within_its_tolerance() -> None:
    """Against comparing with everything: words of few letters, so that there are many near ones."""
    chance = random.Random(5)
    vocabulary = sorted({"".join(chance.choices("abc", k=chance.randint(3, 12))) for _ in range(3_000)})
    keys = {term: typo_keys(term) for term in vocabulary}
    for _ in range(60):
        word = Word("".join(chance.choices("abc", k=chance.randint(4, 11))))
        reached = {term for term in vocabulary if keys[term] & lookup_keys(word)}
        assert reached >= {term for term in vocabulary if is_near(word, term)}


def is_near(word: Word, term: str) -> bool:
    beginnings = {term[:size] for size in range(1, len(term) + 1)}
    return min(OSA.distance(word.text, one) for one in beginnings) <= word.tolerance


def test_the_keys_of_a_term_are_few() -> None:
    assert max(len(typo_keys("abcdefghijklmnopqrst"[:size])) for size in range(21)) == 16
    assert typo_keys("ab") == typo_keys("1999") == set()
