"""What every search index must do, whatever the engine. A subclass gives the fixture `open_index`.

It opens one and the same index each time, also in another process (it can be pickled). What was put is found at once.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from demixer.ports import SearchIndex, SongDocument

OpenIndex = Callable[[], SearchIndex]

SONGS = {
    "dont": ("The Beatles", "Let It Be", "Don't Let Me Down"),
    "help": ("The Beatles", "Help!", "Help!"),
    "thunder": ("AC/DC", "The Razors Edge", "Thunderstruck"),
    "one": ("Metallica", "...And Justice for All", "One"),
    "army": ("Björk", "Post", "Army of Me"),
    "hoppi": ("Sigur Rós", "Takk...", "Hoppípolla"),
    "ace": ("Motörhead", "Ace of Spades", "Ace of Spades"),
    "strasse": ("Kraftklub", "Kargo", "Straße der Ærø"),
    "lodz": ("Łona", "", "Do Łodzi"),
    "first": ("宇多田ヒカル", "First Love", "ガラスの靴"),
    "blood": ("Кино", "Группа крови", "Звезда по имени Солнце"),
    "life": ("أم كلثوم", "", "إنت عمري"),
    "seoul": ("방탄소년단", "화양연화", "봄날"),
    "rem": ("R.E.M.", "Out of Time", "Losing My Religion"),
    "simon": ("Simon & Garfunkel", "Bookends", "Mrs. Robinson"),
    "moon": ("!!!", "As If", "Freedom! '15"),
}


def song(
    song_id: str, artist: str = "", title: str = "", album: str = "", *, plays: int = 0, at: int = 1
) -> SongDocument:
    return SongDocument(
        id=song_id,
        artist=artist,
        album=album,
        title=title,
        year=1999,
        duration=61.5,
        cover=True,
        plays=plays,
        revision=at,
    )


def found(index: SearchIndex, query: str, *, limit: int = 50, offset: int = 0) -> list[str]:
    return [document.id for document in index.search(query, limit=limit, offset=offset).songs]


class SearchIndexContract:
    @pytest.fixture
    def open_index(self) -> OpenIndex:
        raise NotImplementedError

    @pytest.fixture
    def index(self, open_index: OpenIndex) -> Iterator[SearchIndex]:
        index = open_index()
        yield index
        index.close()

    @pytest.fixture
    def filled(self, index: SearchIndex) -> SearchIndex:
        index.put([song(name, artist, title, album) for name, (artist, album, title) in SONGS.items()])
        return index

    def test_it_gives_back_the_document(self, index: SearchIndex) -> None:
        one = song("a", "Björk", "Jóga", "Homogenic", plays=7, at=3)
        other = replace(song("b", "Björk", "Unravel"), year=None, cover=False)
        index.put([one, other])
        assert index.search("joga", limit=10).songs == (one,)
        assert index.search("unravel", limit=10).songs == (other,)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            *[
                ("METALLICA", "one"),
                ("björk", "army"),
                ("Bjork", "army"),
                ("BJÖRK army", "army"),
                ("sigur ros", "hoppi"),
            ],
            *[("dont", "dont"), ("don't", "dont"), ("don’t", "dont"), ("down dont", "dont"), ("motorhead", "ace")],
            *[("ac/dc", "thunder"), ("acdc", "thunder"), ("ac dc", "thunder"), ("rem", "rem"), ("r.e.m.", "rem")],
            *[("strasse", "strasse"), ("aero", "strasse"), ("lodzi", "lodz"), ("lona", "lodz"), ("justice", "one")],
            *[("simon and garfunkel", "simon"), ("simon & garfunkel", "simon"), ("simon garfunkel", "simon")],
            *[("宇多田", "first"), ("ヒカル", "first"), ("ｶﾞﾗｽ", "first"), ("кино", "blood"), ("ГРУППА", "blood")],
            *[("звезда солнце", "blood"), ("ام كلثوم", "life"), ("عمري", "life"), ("방탄", "seoul"), ("봄", "seoul")],
            *[("beatles - help!", "help"), ('"help" beatles', "help"), ("!!!", "moon"), ("one metallica", "one")],
        ],
    )
    def test_case_accents_and_points_do_not_matter_in_any_script(
        self, filled: SearchIndex, query: str, expected: str
    ) -> None:
        assert found(filled, query) == [expected]

    @pytest.mark.parametrize("query", ["m", "me", "met", "metall", "metal on", "o metallica", "met jus"])
    def test_the_first_letters_are_enough(self, filled: SearchIndex, query: str) -> None:
        assert "one" in found(filled, query)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            *[
                ("metalica", "one"),
                ("mettallica", "one"),
                ("metallcia", "one"),
                ("netallica", "one"),
                ("metalic", "one"),
            ],
            *[("beatels help", "help"), ("betles halp", "help"), ("hoppipola", "hoppi"), ("thundrestruk", "thunder")],
            *[
                ("bjrok", "army"),
                ("garfunkle", "simon"),
                ("relgion", "rem"),
                ("звизда", "blood"),
                ("thunderstukc", "thunder"),
            ],
        ],
    )
    def test_a_typo_is_forgiven(self, filled: SearchIndex, query: str, expected: str) -> None:
        assert found(filled, query) == [expected]

    @pytest.mark.parametrize("query", ["oen", "acx", "mxtxllxcx", "hxlx", "zzzz", "beatles metallica", "help xyz"])
    def test_what_is_too_far_is_not_found(self, filled: SearchIndex, query: str) -> None:
        assert filled.search(query, limit=10).total == 0

    def test_a_typo_is_forgiven_as_one_types(self, filled: SearchIndex) -> None:
        assert all(found(filled, "thumderstruck"[:size]) == ["thunder"] for size in range(5, 14))

    def test_it_says_where_the_words_were_found(self, index: SearchIndex) -> None:
        index.put([song("a", "Björk", "(Jóga) live", "Homogenic")])
        for query in ("bjork joga homogen", "bjrok jogo homogenic"):
            assert index.search(query, limit=5).highlights == {
                "a": {"artist": [(0, 5)], "album": [(0, 9)], "title": [(1, 5)]}
            }

    def test_every_word_must_be_found(self, filled: SearchIndex) -> None:
        assert set(found(filled, "beatles")) == {"dont", "help"}
        assert found(filled, "beatles down") == ["dont"]

    @pytest.mark.parametrize("query", ["", " ", "\t\n", "\0", '"', "''", '""" "'])
    def test_an_empty_query_finds_nothing(self, filled: SearchIndex, query: str) -> None:
        page = filled.search(query, limit=10)
        assert (list(page.songs), page.total) == ([], 0)

    @pytest.mark.parametrize(
        "query",
        [
            *[
                '"beatles',
                "beatles OR",
                "NEAR(a b, 2)",
                "title: *",
                "^beat*",
                "-",
                "(",
                "a AND NOT",
                "{title}:x",
                "\0beatles\0",
            ],
            *[
                "a" * 10_000,
                "a " * 5_000,
                "é" * 10_000,
                "ﷺ" * 10_000,
                "!" * 10_000,
                "\ud800",
                "beatles \udfff",
                "%_",
                "'; DROP",
            ],
            *["\u202ebeatles", "😀", "\U0010ffff", "?*[]", "a'b\"c", "~1 fuzzy^2", "/.*/", "\\"],
        ],
    )
    def test_no_query_raises(self, filled: SearchIndex, query: str) -> None:
        page = filled.search(query, limit=10)
        assert page.total >= len(page.songs)

    def test_odd_texts_can_be_put(self, index: SearchIndex) -> None:
        odd = ["\0", '"', "a\0b", "x" * 100_000, "😀", "_", "' '", "東" * 2_000, "a_b {c}"]
        index.put([song(str(number), text, "findme", text) for number, text in enumerate(odd)])
        assert len(found(index, "findme")) == len(odd)
        index.remove([str(number) for number in range(len(odd))])
        assert found(index, "findme") == []

    def test_an_exact_hit_comes_before_one_with_a_typo(self, index: SearchIndex) -> None:
        index.put([song("far", "Quuen", "A", plays=1000), song("exact", "Queen", "Some Much Longer Title")])
        assert found(index, "queen") == ["exact", "far"]

    def test_fewer_typos_come_before_more(self, index: SearchIndex) -> None:
        index.put([song("two", "Garfxxkel", "A", plays=1000), song("one", "Garfuxkel", "A Much Longer Title")])
        assert found(index, "garfunkel") == ["one", "two"]

    def test_title_and_artist_come_before_the_album(self, index: SearchIndex) -> None:
        index.put([song("album", "X", "Y", "Garden", plays=3), song("title", "Someone", "The Secret Garden of Words")])
        index.put([song("artist", "Sound Garden Orchestra", "Y", "Z"), song("begins", "X", "All the Gardens of Words")])
        assert found(index, "garden")[-1] == "album"

    def test_the_whole_title_comes_first(self, index: SearchIndex) -> None:
        index.put([song("in", "X", "My Love", plays=900), song("begins", "X", "Love Songs", plays=900)])
        index.put([song("whole", "Somebody With A Long Name", "Love")])
        assert found(index, "love")[0] == "whole"

    def test_whole_words_come_before_prefixes(self, index: SearchIndex) -> None:
        index.put([song("begins", "X", "My Lovely Day"), song("word", "X", "My Love Day")])
        assert found(index, "love") == ["word", "begins"]

    def test_songs_that_are_played_come_a_little_higher(self, index: SearchIndex) -> None:
        index.put(
            [
                song("rare", "A", "Love Song"),
                song("played", "B", "Love Song", plays=50),
                song("album", "C", "D", "Love", plays=99),
            ]
        )
        assert found(index, "love") == ["played", "rare", "album"]
        index.put([song("rare", "A", "Love Song", plays=5000)])
        assert found(index, "love") == ["rare", "played", "album"]

    def test_pages_follow_each_other_without_gaps_or_repeats(self, index: SearchIndex) -> None:
        index.put([song(f"s{n}", f"Love {n % 7}", f"Lovely {n}", "love", plays=n % 5) for n in range(90)])
        index.put([song(f"f{n}", "Luve", f"Number {n}") for n in range(5)])
        whole = found(index, "love", limit=200)
        paged = [one for offset in range(0, 100, 10) for one in found(index, "love", limit=10, offset=offset)]
        assert paged == whole
        assert len(set(whole)) == index.search("love", limit=1).total

    def test_the_total_is_exact_up_to_a_thousand_then_at_least(self, index: SearchIndex) -> None:
        index.put([song(f"s{n}", "Common", f"Number {n}") for n in range(1_200)])
        assert index.search("number 1199", limit=1).total == 1
        assert 1_000 <= index.search("common", limit=1).total <= 1_200
        index.remove([f"s{n}" for n in range(201)])
        assert index.search("common", limit=1).total == 999

    @pytest.mark.parametrize(("limit", "offset"), [(10, 50), (10, 10**12), (10**12, 50), (0, 0), (5, -3), (-1, 0)])
    def test_pages_out_of_range_are_empty_or_short(self, filled: SearchIndex, limit: int, offset: int) -> None:
        page = filled.search("beatles", limit=limit, offset=offset)
        assert len(page.songs) <= 2
        assert page.total == 2

    def test_putting_again_replaces(self, index: SearchIndex) -> None:
        index.put([song("a", "Old Name", "Title", at=1)])
        index.put([song("a", "New Name", "Title", at=2)])
        assert found(index, "old") == []
        assert found(index, "new") == found(index, "title") == ["a"]

    def test_an_older_revision_never_replaces_a_newer_one(self, index: SearchIndex) -> None:
        index.put([song("a", "New", "Title", at=2)])
        index.put([song("a", "Old", "Title", at=1)])
        assert (found(index, "new"), found(index, "old")) == (["a"], [])

    def test_of_one_song_given_twice_the_newest_counts(self, index: SearchIndex) -> None:
        index.put([song("a", "New", "Title", at=2), song("a", "Old", "Title", at=1)])
        assert (found(index, "new"), found(index, "old")) == (["a"], [])

    def test_the_same_revision_again_brings_new_plays(self, index: SearchIndex) -> None:
        index.put([song("a", "A", "Title", plays=1)])
        index.put([song("a", "A", "Title", plays=9)])
        assert [document.plays for document in index.search("title", limit=5).songs] == [9]

    def test_what_is_removed_is_not_found(self, filled: SearchIndex) -> None:
        filled.remove(["one", "no such song"])
        assert found(filled, "metallica") == found(filled, "metalica") == []
        filled.remove(["one"])

    def test_a_late_put_does_not_revive_a_removed_song(self, index: SearchIndex) -> None:
        index.put([song("a", "Artist", "Title", at=5)])
        index.remove(["a"])
        index.put([song("a", "Artist", "Title", at=4)])
        index.put([song("a", "Artist", "Title", at=5)])
        assert found(index, "artist") == []
        index.put([song("a", "Artist", "Title", at=6)])
        assert found(index, "artist") == ["a"]

    def test_nothing_put_and_nothing_removed_is_fine(self, index: SearchIndex) -> None:
        index.put([])
        index.remove([])
        assert found(index, "a") == []

    def test_a_rebuild_replaces_everything(self, filled: SearchIndex) -> None:
        assert filled.rebuild(iter([song("new", "Nirvana", "Lithium"), song("one", "Metallica", "Enter Sandman")])) == 2
        assert (found(filled, "beatles"), found(filled, "beatels")) == ([], [])
        assert (found(filled, "nirvana"), found(filled, "nirvanna"), found(filled, "metallica")) == (
            ["new"],
            ["new"],
            ["one"],
        )
        filled.put([song("b", "Beck", "Loser")])
        assert filled.rebuild([]) == 0
        assert found(filled, "beck") == []

    def test_a_rebuild_does_not_let_late_puts_revive_songs(self, index: SearchIndex) -> None:
        index.put([song("removed", "Artist", "Title", at=5), song("unlisted", "Artist", "Title", at=5)])
        index.remove(["removed"])
        index.rebuild([song("kept", "Artist", "Title")])
        index.put([song("removed", "Artist", "Title", at=5), song("unlisted", "Artist", "Title", at=4)])
        assert found(index, "artist") == ["kept"]

    def test_searches_and_changes_go_on_during_a_rebuild(self, filled: SearchIndex, open_index: OpenIndex) -> None:
        other = open_index()
        other.put([song("gone", "Before", "Gone", at=2), song("gone later", "Before", "Gone", at=2)])

        def documents() -> Iterator[SongDocument]:
            yield from (song(f"s{n}", "Filler", f"Number {n}") for n in range(1_500))
            yield song("edited", "Before", "Edited", at=2)
            yield from (song(name, "Before", "Gone", at=2) for name in ("gone", "gone later"))
            assert found(other, "filler") == []
            other.put([song("edited", "After", "Edited", at=3), song("added", "After", "Added")])
            other.put([song("gone later", "Before", "Gone", at=3)])
            other.remove(["gone", "gone later"])
            assert set(found(other, "after")) == {"edited", "added"}
            yield song("last", "Filler", "Last")

        assert filled.rebuild(documents()) == 1_503
        assert (found(other, "before"), set(found(other, "after"))) == ([], {"edited", "added"})
        assert (found(other, "last"), found(other, "metallica")) == (["last"], [])
        other.put([song("gone", "Before", "Gone", at=2), song("gone later", "Before", "Gone", at=3)])
        assert found(other, "gone") == []
        other.close()

    def test_an_old_put_during_a_rebuild_does_not_win(self, index: SearchIndex) -> None:
        index.put([song("a", "Old", "Title", at=1)])

        def documents() -> Iterator[SongDocument]:
            yield song("a", "New", "Title", at=2)
            index.put([song("a", "Old", "Title", at=1)])

        index.rebuild(documents())
        assert (found(index, "new"), found(index, "old")) == (["a"], [])

    def test_a_rebuild_that_fails_changes_nothing(self, filled: SearchIndex) -> None:
        def documents() -> Iterator[SongDocument]:
            yield song("new", "Nirvana", "Lithium")
            raise ValueError("the catalogue broke")

        with pytest.raises(ValueError, match="the catalogue broke"):
            filled.rebuild(documents())
        assert (found(filled, "metallica"), found(filled, "nirvana")) == (["one"], [])
        assert filled.rebuild([song("new", "Nirvana", "Lithium")]) == 1

    def test_a_rebuild_killed_half_way_changes_nothing(self, filled: SearchIndex, open_index: OpenIndex) -> None:
        assert _in_process(_die_while_rebuilding, open_index) == 9
        assert (found(filled, "metallica"), found(filled, "filler")) == (["one"], [])
        filled.put([song("b", "Beck", "Loser")])
        assert filled.rebuild([song("new", "Nirvana", "Lithium")]) == 1
        assert (found(filled, "nirvana"), found(filled, "beck")) == (["new"], [])

    def test_it_keeps_everything_when_opened_again(self, filled: SearchIndex, open_index: OpenIndex) -> None:
        filled.close()
        again = open_index()
        assert found(again, "metalica") == ["one"]
        again.close()

    def test_it_can_be_closed_twice(self, open_index: OpenIndex) -> None:
        index = open_index()
        index.close()
        index.close()

    def test_what_one_process_puts_another_finds(self, index: SearchIndex, open_index: OpenIndex) -> None:
        assert _in_process(_put_in_process, open_index) == 0
        assert found(index, "elswhere") == ["there"]

    def test_many_threads_search_while_others_write(self, index: SearchIndex) -> None:
        index.put([song("fixed", "Constant", "Title")])
        done, failures = threading.Event(), list[str]()
        readers = [threading.Thread(target=_search_until, args=(index, done, failures)) for _ in range(3)]
        writers = [threading.Thread(target=_put_many, args=(index, name)) for name in ("ann", "bob")]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        index.rebuild([song("fixed", "Constant", "Title"), song("x", "Rebuilt", "Y")])
        done.set()
        for thread in readers:
            thread.join()
        assert (failures, found(index, "rebuilt"), found(index, "ann")) == ([], ["x"], [])


def _search_until(index: SearchIndex, done: threading.Event, failures: list[str]) -> None:
    while not done.is_set():
        if found(index, "constnt") != ["fixed"]:
            failures.append("constant was not found")


def _put_many(index: SearchIndex, name: str) -> None:
    for number in range(20):
        index.put([song(f"{name}{number}", name, f"Number {number}")])


def _in_process(work: Callable[[OpenIndex], object], open_index: OpenIndex) -> int | None:
    process = multiprocessing.get_context("spawn").Process(target=work, args=(open_index,))
    process.start()
    process.join(60)
    return process.exitcode


def _put_in_process(open_index: OpenIndex) -> None:
    index = open_index()
    index.put([song("there", "Elsewhere", "Title")])
    index.close()


def _die_while_rebuilding(open_index: OpenIndex) -> None:
    def documents() -> Iterator[SongDocument]:
        yield from (song(f"s{n}", "Filler", f"Number {n}") for n in range(2_500))
        os._exit(9)

    open_index().rebuild(documents())
