"""What every catalogue must do, whatever the engine. A subclass gives the fixture `open_catalogue`."""

import functools
import json
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from demixer.domain import (
    Analysis,
    Comparison,
    Encoding,
    Event,
    Failure,
    MatchMethod,
    MatchVerdict,
    Relation,
    RelationType,
    Separation,
    SeparationState,
    SeparationWorker,
    Song,
    SongState,
    Stem,
    Tags,
    Upload,
    UploadState,
)
from demixer.domain.errors import Conflict
from demixer.ports import Catalogue
from schemas import codec
from schemas.events import UploadFingerprintedV1, UploadReceived, UploadRejected

Opener = Callable[[], Catalogue]  # can be pickled, and opens the same catalogue every time

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

# What commit 31c51d9 wrote into its SQLite tables, with the bodies as JSON and the fingerprints as base64
STORED_BEFORE = json.loads(Path(__file__).with_name("stored_by_31c51d9.json").read_text("utf-8"))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def an_upload(upload_id: str = "u1", **changes: Any) -> Upload:
    plain = Upload(
        id=upload_id,
        person_id="ana",
        filename="Canción 🎵.mp3",
        size=3_000_000_000,
        sha256="ab" * 32,
        audio_key=f"uploads/{upload_id}",
        given_tags=Tags(title="Canción"),
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(plain, **changes)


def a_song(song_id: str = "s1", **changes: Any) -> Song:
    plain = Song(
        id=song_id,
        owner_id="ana",
        tags=Tags(artist="Ñandú", year=1999),
        duration=201.5,
        sha256=f"file of {song_id}",
        fingerprint=bytes(range(256)),
        audio_key=f"songs/{song_id}/original",
        cover_key="",
        created_at=NOON,
        updated_at=NOON,
        state=SongState.ACTIVE,
    )
    return replace(plain, **changes)


def a_separation(separation_id: str = "x1", **changes: Any) -> Separation:
    plain = Separation(id=separation_id, song_id="s1", model="htdemucs", requested_at=NOON, updated_at=NOON)
    return replace(plain, **changes)


def an_analysis(analysis_id: str = "ab" * 32, **changes: Any) -> Analysis:
    plain = Analysis(
        id=analysis_id, duration=201.5, fingerprint=bytes(range(256)), tags=Tags(title="Canción"), cover_key=""
    )
    return replace(plain, **changes)


def a_worker(worker_id: str = "separate-1", **changes: Any) -> SeparationWorker:
    plain = SeparationWorker(
        id=worker_id, model="htdemucs", stems=("vocals", "drums"), device="CPU", licence="MIT", updated_at=NOON
    )
    return replace(plain, **changes)


def an_event(event_id: str, **params: Any) -> Event:
    data = UploadRejected(upload_id="u1", attempt=1, code="not-audio", params=params)
    return Event(id=event_id, subject="u1", time=NOON, data=data)


def params_of(event: Event) -> Mapping[str, Any]:
    assert isinstance(event.data, UploadRejected)
    return event.data.params


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


class CatalogueContract:
    @pytest.fixture
    def open_catalogue(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def old_catalogue(self) -> Iterator[Catalogue]:
        """Opened on `STORED_BEFORE`, as that commit stored it."""
        raise NotImplementedError

    @pytest.fixture
    def catalogue(self, open_catalogue: Opener) -> Iterator[Catalogue]:
        catalogue = open_catalogue()
        yield catalogue
        catalogue.close()

    # saving, the same for all three

    def test_what_is_not_there_is_none(self, catalogue: Catalogue) -> None:
        assert catalogue.uploads.get("nobody") is None
        assert catalogue.songs.get("nobody") is None
        assert catalogue.separations.get("nobody") is None

    def test_an_upload_comes_back_as_it_was_saved(self, catalogue: Catalogue) -> None:
        full = an_upload(
            state=UploadState.FAILED,
            attempt=3,
            song_id="s1",
            matched_by=MatchMethod.RECORDING,
            failure=Failure("too-long", {"max_minutes": 20}),
            hidden=True,
            given_tags=Tags(artist="a", album="b", title="c", year=1980),
            created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-6))),
        )
        for upload in (an_upload("plain"), full):
            stored = catalogue.uploads.save(upload)
            assert stored == replace(upload, version=1)
            assert catalogue.uploads.get(upload.id) == stored

    def test_a_song_comes_back_as_it_was_saved(self, catalogue: Catalogue) -> None:
        full = a_song(
            "full",
            separation_id="x1",
            next_separation_id="x2",
            state=SongState.WITHDRAWN,
            plays=7,
            cover_key="covers/full.jpg",
        )
        named = [
            a_song(f"named {n}", proposed_tags=tags) for n, tags in enumerate((Tags(), Tags(title="Ñu", year=1999)))
        ]
        states = [a_song(state.value, state=state) for state in SongState]
        for song in (a_song("plain"), full, a_song("without", fingerprint=b""), *named, *states):
            stored = catalogue.songs.save(song)
            assert stored == replace(song, version=1)
            assert catalogue.songs.get(song.id) == stored

    def test_a_separation_comes_back_as_it_was_saved(self, catalogue: Catalogue) -> None:
        full = a_separation(
            "full",
            state=SeparationState.READY,
            attempt=2,
            progress=1.0,
            device="NVIDIA H200",
            seconds_left=12.5,
            started_at=at(1),
            finished_at=at(2),
            stems=(Stem(name="vocals", peak=1.25), Stem(name="drums", peak=0.5)),
            gain=0.8,
            failure=Failure("worker-died"),
        )
        for separation in (a_separation("plain"), full):
            stored = catalogue.separations.save(separation)
            assert stored == replace(separation, version=1)
            assert catalogue.separations.get(separation.id) == stored

    def test_every_save_is_one_version_on(self, catalogue: Catalogue) -> None:
        upload = catalogue.uploads.save(an_upload())
        upload = catalogue.uploads.save(upload.moved_to(UploadState.FINGERPRINTING, at(1)))
        assert upload.version == 2
        assert catalogue.uploads.get("u1") == upload

    def test_a_second_insert_of_the_same_id_is_a_conflict(self, catalogue: Catalogue) -> None:
        catalogue.uploads.save(an_upload())
        catalogue.songs.save(a_song())
        catalogue.separations.save(a_separation())
        with pytest.raises(Conflict):
            catalogue.uploads.save(an_upload(filename="other"))
        with pytest.raises(Conflict):
            catalogue.songs.save(a_song(duration=1.0))
        with pytest.raises(Conflict):
            catalogue.separations.save(a_separation(model="other"))

    def test_a_stale_version_is_a_conflict_and_changes_nothing(self, catalogue: Catalogue) -> None:
        first = catalogue.songs.save(a_song())
        second = catalogue.songs.save(replace(first, duration=1.0))
        for stale in (first, replace(first, version=7)):
            with pytest.raises(Conflict):
                catalogue.songs.save(replace(stale, duration=2.0))
        assert catalogue.songs.get("s1") == second

    def test_saving_what_was_never_stored_under_a_version_is_a_conflict(self, catalogue: Catalogue) -> None:
        with pytest.raises(Conflict):
            catalogue.uploads.save(an_upload(version=1))
        assert catalogue.uploads.get("u1") is None

    def test_of_many_threads_that_change_the_same_version_one_wins(self, catalogue: Catalogue) -> None:
        stored = catalogue.songs.save(a_song())
        won: list[int] = []

        def change(n: int) -> None:
            try:
                catalogue.songs.save(replace(stored, duration=float(n)), [an_event(f"e{n}")])
                won.append(n)
            except Conflict:
                pass

        threads = [threading.Thread(target=change, args=(n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        song = catalogue.songs.get("s1")
        assert song is not None
        assert (song.version, [song.duration]) == (2, [float(n) for n in won])
        assert ids(catalogue.outbox.pending()) == [f"e{n}" for n in won]

    def test_processes_that_count_up_by_compare_and_swap_lose_nothing(
        self, catalogue: Catalogue, open_catalogue: Opener
    ) -> None:
        catalogue.songs.save(a_song(duration=0.0))
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=count_up, args=(open_catalogue, 10)) for _ in range(2)]
        for process in processes:
            process.start()
        count_up(open_catalogue, 10)
        for process in processes:
            process.join(30)
        assert [process.exitcode for process in processes] == [0, 0]
        song = catalogue.songs.get("s1")
        assert song is not None
        assert (song.duration, song.version) == (30.0, 31)

    def test_many_are_got_at_once_and_only_those_that_exist(self, catalogue: Catalogue) -> None:
        uploads = [catalogue.uploads.save(an_upload(f"u{n}")) for n in range(3)]
        songs = [catalogue.songs.save(a_song(f"s{n}", state=SongState.WITHDRAWN)) for n in range(3)]
        separations = [catalogue.separations.save(a_separation(f"x{n}")) for n in range(3)]
        assert catalogue.uploads.get_many(["u2", "u0", "u2", "nobody"]) == {"u0": uploads[0], "u2": uploads[2]}
        assert catalogue.songs.get_many({"s1", "nobody"}) == {"s1": songs[1]}
        assert catalogue.separations.get_many(("x0", "x1")) == {"x0": separations[0], "x1": separations[1]}
        assert catalogue.uploads.get_many([]) == {}
        assert len(catalogue.songs.get_many([f"s{n}" for n in range(50_000)])) == 3

    # outbox

    def test_events_wait_in_the_outbox_in_the_order_they_were_saved(self, catalogue: Catalogue) -> None:
        upload = catalogue.uploads.save(an_upload(), [an_event("z", attempt=1), an_event("a", nested={"x": [1, None]})])
        catalogue.uploads.save(upload, [an_event("m")])
        assert catalogue.outbox.pending() == [
            an_event("z", attempt=1),
            an_event("a", nested={"x": [1, None]}),
            an_event("m"),
        ]
        assert ids(catalogue.outbox.pending(limit=2)) == ["z", "a"]

    def test_all_three_save_their_events(self, catalogue: Catalogue) -> None:
        catalogue.uploads.save(an_upload(), [an_event("e1")])
        catalogue.songs.save(a_song(), [an_event("e2")])
        catalogue.separations.save(a_separation(), [an_event("e3")])
        assert ids(catalogue.outbox.pending()) == ["e1", "e2", "e3"]

    def test_a_refused_change_leaves_no_event(self, catalogue: Catalogue) -> None:
        catalogue.uploads.save(an_upload())
        with pytest.raises(Conflict):
            catalogue.uploads.save(an_upload(), [an_event("never")])
        assert catalogue.outbox.pending() == []

    def test_an_event_that_cannot_be_stored_leaves_no_change(self, catalogue: Catalogue) -> None:
        with pytest.raises(TypeError):
            catalogue.uploads.save(an_upload(), [an_event("good"), an_event("bad", param=object())])
        assert catalogue.uploads.get("u1") is None
        assert catalogue.outbox.pending() == []

    def test_the_same_event_saved_twice_waits_once(self, catalogue: Catalogue) -> None:
        upload = catalogue.uploads.save(an_upload(), [an_event("e"), an_event("f")])
        catalogue.uploads.save(upload, [an_event("e")])
        assert ids(catalogue.outbox.pending()) == ["e", "f"]

    def test_published_events_are_removed_and_unknown_ids_are_ignored(self, catalogue: Catalogue) -> None:
        catalogue.uploads.save(an_upload(), [an_event("e"), an_event("f")])
        catalogue.outbox.mark_published(["e", "unknown"])
        catalogue.outbox.mark_published(["e"])
        catalogue.outbox.mark_published([])
        assert ids(catalogue.outbox.pending()) == ["f"]

    def test_what_was_left_over_is_published_oldest_first_whatever_it_is_about(self, catalogue: Catalogue) -> None:
        upload = catalogue.uploads.save(an_upload(), [an_event("e1")])
        song = catalogue.songs.save(a_song(), [an_event("e2"), an_event("e3")])
        catalogue.separations.save(a_separation(), [an_event("e4")])
        catalogue.uploads.save(upload, [an_event("e5")])
        catalogue.songs.save(song, [an_event("e6")])
        left = []
        while pending := catalogue.outbox.pending(limit=2):
            left += ids(pending)
            catalogue.outbox.mark_published(ids(pending))
        assert left == ["e1", "e2", "e3", "e4", "e5", "e6"]

    def test_two_that_publish_the_same_events_hide_no_later_one(self, catalogue: Catalogue) -> None:
        upload = catalogue.uploads.save(an_upload(), [an_event("e"), an_event("f")])
        seen = ids(catalogue.outbox.pending())
        catalogue.outbox.mark_published(seen)
        catalogue.uploads.save(upload, [an_event("g")])
        catalogue.outbox.mark_published(seen)
        assert ids(catalogue.outbox.pending()) == ["g"]

    # uploads

    def test_a_persons_uploads_come_newest_first_in_pages_without_hidden_ones(self, catalogue: Catalogue) -> None:
        for n in range(5):
            catalogue.uploads.save(an_upload(f"u{n}", created_at=at(n), hidden=n == 3))
        catalogue.uploads.save(an_upload("other", person_id="ben"))
        assert ids(catalogue.uploads.of_person("ana", limit=10)) == ["u4", "u2", "u1", "u0"]
        assert ids(catalogue.uploads.of_person("ana", limit=2, offset=1)) == ["u2", "u1"]
        assert catalogue.uploads.of_person("nobody", limit=10) == []

    def test_what_was_made_at_the_same_time_keeps_the_order_of_saving(self, catalogue: Catalogue) -> None:
        for name in ("b", "c", "a"):
            catalogue.uploads.save(an_upload(name, song_id="s1"))
            catalogue.separations.save(a_separation(name))
        assert ids(catalogue.uploads.of_person("ana", limit=10)) == ["a", "c", "b"]
        assert ids(catalogue.uploads.of_song("s1")) == ["b", "c", "a"]
        assert ids(catalogue.separations.of_song("s1")) == ["b", "c", "a"]
        assert ids(catalogue.separations.in_state((SeparationState.REQUESTED,))) == ["b", "c", "a"]
        positions = [catalogue.separations.queue_position(a_separation(name)) for name in ("b", "c", "a", "unknown")]
        assert positions == [1, 2, 3, 1]

    def test_the_uploads_of_a_song_come_oldest_first_without_cancelled_ones(self, catalogue: Catalogue) -> None:
        for n, state in enumerate([UploadState.JOINED, UploadState.CANCELLED, UploadState.FAILED, UploadState.JOINED]):
            catalogue.uploads.save(an_upload(f"u{n}", song_id="s1", state=state, created_at=at(-n), hidden=n == 3))
        catalogue.uploads.save(an_upload("elsewhere", song_id="s2"))
        catalogue.uploads.save(an_upload("nowhere"))
        assert ids(catalogue.uploads.of_song("s1")) == ["u3", "u2", "u0"]

    def test_uploads_in_a_state_come_longest_untouched_first(self, catalogue: Catalogue) -> None:
        states = [UploadState.RECEIVED, UploadState.FINGERPRINTING, UploadState.RECEIVED, UploadState.JOINED]
        for n, state in enumerate(states):
            catalogue.uploads.save(an_upload(f"u{n}", state=state, updated_at=at(-n)))
        both = (UploadState.RECEIVED, UploadState.FINGERPRINTING)
        assert ids(catalogue.uploads.in_state(both, updated_before=at(1))) == ["u2", "u1", "u0"]
        assert ids(catalogue.uploads.in_state(both, updated_before=at(0))) == ["u2", "u1"]
        assert ids(catalogue.uploads.in_state((UploadState.JOINED,), updated_before=at(1))) == ["u3"]
        assert catalogue.uploads.in_state((), updated_before=at(1)) == []

    def test_a_change_of_state_is_found_under_the_new_state_only(self, catalogue: Catalogue) -> None:
        upload = catalogue.uploads.save(an_upload())
        catalogue.uploads.save(upload.joined("s1", None, at(5)))
        assert catalogue.uploads.in_state((UploadState.RECEIVED,), updated_before=at(99)) == []
        assert ids(catalogue.uploads.in_state((UploadState.JOINED,), updated_before=at(6))) == ["u1"]
        assert ids(catalogue.uploads.of_song("s1")) == ["u1"]

    def test_uploads_that_wait_for_a_song_come_longest_untouched_first(self, catalogue: Catalogue) -> None:
        for n, state in enumerate(UploadState):
            catalogue.uploads.save(an_upload(state.value, state=state, waiting_for="s1", updated_at=at(-n)))
        catalogue.uploads.save(an_upload("elsewhere", waiting_for="s2"))
        moved = catalogue.uploads.save(an_upload("moved on", waiting_for="s1"))
        catalogue.uploads.save(replace(moved, waiting_for=None))
        waiting = ids(catalogue.uploads.waiting_for("s1"))
        assert waiting == ["fingerprinted", "fingerprinting", "received"]
        assert catalogue.uploads.waiting_for("nobody") == []

    # songs

    def test_a_song_is_found_by_the_file_that_brought_it(self, catalogue: Catalogue) -> None:
        catalogue.songs.save(a_song())
        assert catalogue.songs.by_file("file of s1") == catalogue.songs.get("s1")
        assert catalogue.songs.by_file("unknown") is None

    def test_a_song_is_found_by_a_file_that_joined_it_and_the_last_word_counts(self, catalogue: Catalogue) -> None:
        catalogue.songs.save(a_song("s1"))
        catalogue.songs.save(a_song("s2"))
        for song_id in ("s1", "s2", "s2"):
            catalogue.songs.link_file("transcode", song_id)
            found = catalogue.songs.by_file("transcode")
            assert found is not None
            assert found.id == song_id
        catalogue.songs.link_file("file of s1", "s2")
        found = catalogue.songs.by_file("file of s1")
        assert found is not None
        assert found.id == "s2"

    @pytest.mark.parametrize("state", [SongState.WITHDRAWN, SongState.TAKEN_DOWN])
    def test_a_removed_song_is_not_found_by_its_files(self, catalogue: Catalogue, state: SongState) -> None:
        song = catalogue.songs.save(a_song())
        catalogue.songs.link_file("transcode", "s1")
        catalogue.songs.save(replace(song, state=state))
        assert catalogue.songs.by_file("file of s1") is None
        assert catalogue.songs.by_file("transcode") is None
        kept = catalogue.songs.get("s1")
        assert kept is not None
        assert kept.is_removed
        assert catalogue.songs.linked_song("transcode") == kept, "so that a recording that was taken down is known"
        assert catalogue.songs.linked_song("unknown") is None

    def test_a_file_of_a_removed_song_falls_back_to_the_song_it_brought(self, catalogue: Catalogue) -> None:
        catalogue.songs.save(a_song("s1"))
        catalogue.songs.save(a_song("s2", state=SongState.WITHDRAWN))
        catalogue.songs.link_file("file of s1", "s2")
        found = catalogue.songs.by_file("file of s1")
        assert found is not None
        assert found.id == "s1"

    def test_listed_songs_come_in_every_order_and_in_pages(self, catalogue: Catalogue) -> None:
        for name, seconds, plays in (("c", 0, 5), ("a", 1, 1), ("b", 2, 5), ("d", 3, 0)):
            catalogue.songs.save(a_song(name, created_at=at(seconds), plays=plays))
        catalogue.songs.save(a_song("unlisted", state=SongState.PENDING, plays=100))
        catalogue.songs.save(a_song("removed", state=SongState.WITHDRAWN, plays=100))
        assert ids(catalogue.songs.list_visible(order="newest", limit=10)) == ["d", "b", "a", "c"]
        assert ids(catalogue.songs.list_visible(order="most-played", limit=10)) == ["b", "c", "a", "d"]
        assert ids(catalogue.songs.list_visible(order="id", limit=10)) == ["a", "b", "c", "d"]
        assert ids(catalogue.songs.list_visible(order="newest", limit=2, offset=1)) == ["b", "a"]
        assert catalogue.songs.list_visible(order="newest", limit=2, offset=9) == []

    @pytest.mark.parametrize(
        ("beginning", "found"),
        [
            ("b", ["björk", "blur"]),
            ("BJORK", ["björk"]),
            ("BJO\u0308RK", ["björk"]),
            ("  homo  geni", ["björk"]),
            ("Joga", ["björk"]),
            ("genic", []),
            ("100%", ["percent"]),
            ("100_", []),
            (".*", ["dots"]),
            ("^", []),
            ("\u0301", ["björk", "blur", "dots", "percent"]),
        ],
    )
    def test_songs_are_listed_by_a_prefix_of_artist_album_or_title(
        self, catalogue: Catalogue, beginning: str, found: list[str]
    ) -> None:
        known = {
            "björk": Tags(artist="Björk", album="Homo Genic", title="Jóga"),
            "blur": Tags(artist="Blur"),
            "percent": Tags(title="100% (a)"),
            "dots": Tags(album=".*"),
        }
        for song_id, tags in known.items():
            catalogue.songs.save(a_song(song_id, tags=tags))
        catalogue.songs.save(a_song("unlisted", tags=known["blur"], state=SongState.PENDING))
        assert ids(catalogue.songs.list_visible(order="id", limit=10, prefix=beginning)) == found

    def test_songs_with_a_prefix_come_in_every_order_and_in_pages(self, catalogue: Catalogue) -> None:
        for name, seconds, plays in (("c", 0, 5), ("a", 1, 1), ("b", 2, 5), ("d", 3, 0)):
            tags = Tags(artist="Abba", title="other" if name == "d" else "Waterloo")
            catalogue.songs.save(a_song(name, created_at=at(seconds), plays=plays, tags=tags))
        listed = functools.partial(catalogue.songs.list_visible, prefix="water")
        assert ids(listed(order="newest", limit=10)) == ["b", "a", "c"]
        assert ids(listed(order="most-played", limit=2)) == ["b", "c"]
        assert ids(listed(order="id", limit=2, offset=1)) == ["b", "c"]

    def test_a_song_is_found_by_its_new_tags_only(self, catalogue: Catalogue) -> None:
        song = catalogue.songs.save(a_song(tags=Tags(artist="Wham")))
        song = catalogue.songs.save(replace(song, tags=Tags(artist="George Michael")))
        assert catalogue.songs.list_visible(order="id", limit=10, prefix="wham") == []
        assert catalogue.songs.list_visible(order="id", limit=10, prefix="george") == [song]

    def test_a_song_that_is_listed_later_merged_or_removed_moves_in_and_out(self, catalogue: Catalogue) -> None:
        song = catalogue.songs.save(a_song(state=SongState.PENDING))
        assert catalogue.songs.list_visible(order="newest", limit=10) == []
        song = catalogue.songs.save(replace(song, state=SongState.ACTIVE))
        assert ids(catalogue.songs.list_visible(order="newest", limit=10)) == ["s1"]
        song = catalogue.songs.save(replace(song, state=SongState.MERGED, merged_into="s2"))
        assert catalogue.songs.list_visible(order="newest", limit=10) == []
        assert catalogue.songs.list_visible(order="newest", limit=10, prefix=song.tags.title) == []
        song = catalogue.songs.save(replace(song, state=SongState.ACTIVE, merged_into=None))
        assert ids(catalogue.songs.list_visible(order="newest", limit=10)) == ["s1"]
        catalogue.songs.save(replace(song, state=SongState.WITHDRAWN))
        assert catalogue.songs.list_visible(order="newest", limit=10) == []

    def test_plays_are_counted_beside_the_version_and_survive_a_save_of_an_older_copy(
        self, catalogue: Catalogue
    ) -> None:
        stored = catalogue.songs.save(a_song())
        catalogue.songs.count_play("s1")
        catalogue.songs.count_play("s1")
        catalogue.songs.count_play("nobody")
        played = catalogue.songs.get("s1")
        assert played == replace(stored, plays=2)
        saved = catalogue.songs.save(replace(stored, duration=9.0))
        assert saved == replace(stored, plays=2, duration=9.0, version=2)
        assert catalogue.songs.get("s1") == saved

    # separations

    def test_the_separations_of_a_song_come_oldest_first(self, catalogue: Catalogue) -> None:
        for n in range(3):
            catalogue.separations.save(a_separation(f"x{n}", requested_at=at(-n)))
        catalogue.separations.save(a_separation("other", song_id="s2"))
        assert ids(catalogue.separations.of_song("s1")) == ["x2", "x1", "x0"]

    def test_the_queue_is_in_the_order_it_was_asked_for(self, catalogue: Catalogue) -> None:
        states = [SeparationState.REQUESTED, SeparationState.RUNNING, SeparationState.READY, SeparationState.REQUESTED]
        for n, state in enumerate(states):
            catalogue.separations.save(a_separation(f"x{n}", state=state, requested_at=at(-n)))
        assert ids(catalogue.separations.in_state((SeparationState.REQUESTED,))) == ["x3", "x0"]
        both = (SeparationState.RUNNING, SeparationState.REQUESTED)
        assert ids(catalogue.separations.in_state(both)) == ["x3", "x1", "x0"]

    def test_a_queue_position_counts_what_was_requested_earlier_and_has_not_begun(self, catalogue: Catalogue) -> None:
        states = [SeparationState.REQUESTED, SeparationState.RUNNING, SeparationState.FAILED, SeparationState.REQUESTED]
        saved = [
            catalogue.separations.save(a_separation(f"x{n}", state=state, requested_at=at(n)))
            for n, state in enumerate(states)
        ]
        assert [catalogue.separations.queue_position(saved[0]), catalogue.separations.queue_position(saved[3])] == [
            1,
            2,
        ]

    def test_many_queue_positions_are_got_at_once(self, catalogue: Catalogue) -> None:
        states = [SeparationState.REQUESTED, SeparationState.RUNNING, SeparationState.REQUESTED, SeparationState.READY]
        for n, state in enumerate((*states, SeparationState.REQUESTED)):
            catalogue.separations.save(a_separation(f"x{n}", state=state, requested_at=at(0 if n == 4 else n)))
        assert catalogue.separations.queue_positions(["x2", "x1", "x4", "nobody"]) == {"x4": 2, "x2": 3}
        assert catalogue.separations.queue_positions([]) == {}

    def test_the_queue_length_and_its_oldest_request_are_known(self, catalogue: Catalogue) -> None:
        assert catalogue.separations.queue_length() == (0, None)
        states = [SeparationState.RUNNING, SeparationState.REQUESTED, SeparationState.REQUESTED, SeparationState.READY]
        for n, state in enumerate(states):
            catalogue.separations.save(a_separation(f"x{n}", state=state, requested_at=at(-n)))
        assert catalogue.separations.queue_length() == (2, at(-2))

    # libraries

    def test_a_library_keeps_songs_the_last_kept_first(self, catalogue: Catalogue) -> None:
        for n in range(4):
            catalogue.songs.save(
                a_song(
                    f"s{n}",
                    state=(SongState.ACTIVE, SongState.PENDING, SongState.WITHDRAWN)[n] if n < 3 else SongState.ACTIVE,
                )
            )
            catalogue.libraries.add("ana", f"s{n}", at(n))
        assert ids(catalogue.libraries.songs("ana", limit=10)) == ["s3", "s1", "s0"]
        assert ids(catalogue.libraries.songs("ana", limit=1, offset=1)) == ["s1"]
        assert catalogue.libraries.songs("ben", limit=10) == []

    def test_adding_twice_keeps_the_place_and_removing_twice_is_fine(self, catalogue: Catalogue) -> None:
        for n in range(2):
            catalogue.songs.save(a_song(f"s{n}"))
            catalogue.libraries.add("ana", f"s{n}", at(n))
        catalogue.libraries.add("ana", "s0", at(9))
        assert ids(catalogue.libraries.songs("ana", limit=10)) == ["s1", "s0"]
        assert (catalogue.libraries.contains("ana", "s0"), catalogue.libraries.contains("ben", "s0")) == (True, False)
        catalogue.libraries.remove("ana", "s0")
        catalogue.libraries.remove("ana", "s0")
        assert not catalogue.libraries.contains("ana", "s0")
        catalogue.libraries.add("ana", "s0", at(10))
        assert ids(catalogue.libraries.songs("ana", limit=10)) == ["s0", "s1"]

    # analyses and workers

    def test_an_analysis_comes_back_as_it_was_saved_and_the_last_word_counts(self, catalogue: Catalogue) -> None:
        compared = Comparison(song_id="s1", verdict=MatchVerdict.MIX, offset=1.5, missing_stems=("vocals",))
        full = an_analysis(
            cover_key="covers/1.jpg",
            shifted_fingerprint=b"\x00\xff",
            sample_hash="cd" * 32,
            comparisons=(compared, Comparison(song_id="s2", verdict=MatchVerdict.DIFFERENT)),
            encoding=Encoding(codec="mp3", bit_rate=320_000, sample_rate=44_100, channels=2, bandwidth=20_000),
        )
        assert catalogue.analyses.get(full.id) is None
        for analysis in (an_analysis(), full, full, an_analysis("without", fingerprint=b"")):
            catalogue.analyses.save(analysis)
            assert catalogue.analyses.get(analysis.id) == analysis

    def test_workers_say_what_they_can_do_and_the_last_word_counts(self, catalogue: Catalogue) -> None:
        assert catalogue.workers.all() == []
        broken = a_worker("b", model="", stems=(), problem="no model", updated_at=at(1))
        for worker in (a_worker("b"), a_worker("a"), broken):
            catalogue.workers.save(worker)
        assert catalogue.workers.all() == [a_worker("a"), broken]

    # what was stored before

    def test_songs_stored_before_have_the_state_that_their_fields_say(self, old_catalogue: Catalogue) -> None:
        songs = old_catalogue.songs
        known = songs.get_many([state.value for state in SongState])
        assert {song_id: song.state.value for song_id, song in known.items()} == {each: each for each in known}
        assert set(known) == {"pending", "active", "merged", "withdrawn"}
        active = known["active"]
        assert active.relations == (
            Relation(song_id="mix", type=RelationType.MIX, missing_stems=("vocals",), lacks_stems=True),
        )
        assert (active.merged_ids, active.proposed_tags, active.plays) == (("merged",), Tags(title="Ñu"), 3)
        assert (active.owner_id, active.audio_key, active.fingerprint) == (
            "ana",
            "songs/active/original",
            bytes(range(8)),
        )
        assert ids(songs.list_visible(order="id", limit=10, prefix="nandu")) == ["active"]
        assert [song_id for song_id in known if songs.by_file(f"file of {song_id}") is None] == ["withdrawn"]

    def test_a_song_stored_before_changes_its_state_for_good(self, old_catalogue: Catalogue) -> None:
        songs = old_catalogue.songs
        for song_id, state in (("pending", SongState.ACTIVE), ("withdrawn", SongState.PENDING)):
            song = songs.get(song_id)
            assert song is not None
            saved = songs.save(replace(song, state=state))
            assert (saved.state, songs.get(song_id)) == (state, saved)
            assert songs.by_file(f"file of {song_id}") == saved
        active = songs.get("active")
        assert active is not None
        songs.save(replace(active, state=SongState.TAKEN_DOWN))
        assert songs.by_file("file of active") is None
        assert ids(songs.list_visible(order="id", limit=10)) == ["pending"]

    def test_uploads_and_separations_stored_before_are_read(self, old_catalogue: Catalogue) -> None:
        assert ids(old_catalogue.uploads.waiting_for("pending")) == ["u1"]
        joined = old_catalogue.uploads.get("u2")
        assert joined is not None
        assert (joined.matched_by, joined.song_id) == (MatchMethod.FILE, "active")
        separation = old_catalogue.separations.get("x1")
        assert separation is not None
        assert separation.lease_owner == "separate-1"
        assert old_catalogue.separations.queue_positions(["x1"]) == {"x1": 1}

    def test_events_stored_before_are_published_in_the_version_they_were_written_in(
        self, old_catalogue: Catalogue
    ) -> None:
        received, fingerprinted = old_catalogue.outbox.pending()
        assert received.data == UploadReceived(upload_id="u1", attempt=1)
        assert isinstance(fingerprinted.data, UploadFingerprintedV1)
        sent = codec.decode_as_written(codec.encode(fingerprinted))
        assert (sent, sent.version) == (fingerprinted, 1)
        assert codec.to_plain(sent.data) == STORED_BEFORE["outbox"][1]["body"]["data"]
        old_catalogue.outbox.mark_published([received.id, fingerprinted.id])
        assert old_catalogue.outbox.pending() == []

    # the whole

    def test_reopening_keeps_everything(self, catalogue: Catalogue, open_catalogue: Opener) -> None:
        stored = catalogue.uploads.save(an_upload(), [an_event("e")])
        catalogue.songs.save(a_song())
        catalogue.songs.link_file("transcode", "s1")
        catalogue.libraries.add("ana", "s1", NOON)
        catalogue.close()
        again = open_catalogue()
        assert again.uploads.get("u1") == stored
        assert ids(again.outbox.pending()) == ["e"]
        assert again.songs.by_file("transcode") is not None
        assert again.libraries.contains("ana", "s1")
        again.close()

    def test_close_may_be_called_twice(self, catalogue: Catalogue) -> None:
        catalogue.close()
        catalogue.close()


def count_up(open_catalogue: Opener, times: int) -> None:
    catalogue = open_catalogue()
    while times:
        song = catalogue.songs.get("s1")
        assert song is not None
        try:
            catalogue.songs.save(replace(song, duration=song.duration + 1))
            times -= 1
        except Conflict:
            continue
    catalogue.close()
