"""The life cycle of a song: which state follows which, and who may move it there."""

from itertools import product

import pytest

from demixer.domain import TRANSITIONS, Actor, Song, SongState, Tags
from demixer.domain.errors import Refused
from tests.wired import START, Clock

PENDING, ACTIVE, WITHDRAWN, TAKEN_DOWN, MERGED = (
    SongState.PENDING,
    SongState.ACTIVE,
    SongState.WITHDRAWN,
    SongState.TAKEN_DOWN,
    SongState.MERGED,
)
S, OP, NO = {Actor.SYSTEM}, {Actor.OPERATOR}, set[Actor]()
ALLOWED: dict[SongState, dict[SongState, set[Actor]]] = {  # from (row), to (column): who may
    PENDING: {PENDING: NO, ACTIVE: S, WITHDRAWN: S, TAKEN_DOWN: OP, MERGED: NO},
    ACTIVE: {PENDING: NO, ACTIVE: NO, WITHDRAWN: NO, TAKEN_DOWN: OP, MERGED: OP},
    WITHDRAWN: {PENDING: S, ACTIVE: NO, WITHDRAWN: NO, TAKEN_DOWN: OP, MERGED: NO},
    TAKEN_DOWN: {PENDING: NO, ACTIVE: NO, WITHDRAWN: NO, TAKEN_DOWN: NO, MERGED: NO},
    MERGED: {PENDING: NO, ACTIVE: OP, WITHDRAWN: NO, TAKEN_DOWN: OP, MERGED: NO},
}
CASES = list(product(SongState, SongState, Actor))


def song(state: SongState) -> Song:
    return Song(
        id="s",
        owner_id="ana",
        tags=Tags(title="Song"),
        duration=120.0,
        sha256="ab",
        fingerprint=b"",
        audio_key="uploads/u",
        cover_key="",
        created_at=START,
        updated_at=START,
        state=state,
    )


def test_the_table_has_every_pair_of_states() -> None:
    assert {(before, after) for before, row in ALLOWED.items() for after in row} == set(product(SongState, SongState))
    assert {pair for pair, actors in TRANSITIONS.items() if actors} == {
        (before, after) for before, row in ALLOWED.items() for after, actors in row.items() if actors
    }


@pytest.mark.parametrize(("before", "after", "actor"), CASES, ids=lambda value: value.value)
def test_each_transition_is_allowed_to_its_actors_and_refused_to_all_others(
    before: SongState, after: SongState, actor: Actor, clock: Clock
) -> None:
    one = song(before)
    clock.advance(1)
    if actor in ALLOWED[before][after]:
        moved = one.moved_to(after, actor, clock())
        assert (moved.state, moved.updated_at, one.state) == (after, clock(), before)
        return
    with pytest.raises(Refused) as caught:
        one.moved_to(after, actor, clock())
    assert (caught.value.code, caught.value.params) == ("song-state", {"state": before.value, "wanted": after.value})


@pytest.mark.parametrize(
    ("state", "has_stems", "is_removed", "is_visible"),
    [
        (PENDING, False, False, False),
        (ACTIVE, True, False, True),
        (WITHDRAWN, False, True, False),
        (TAKEN_DOWN, False, True, False),
        (MERGED, True, False, False),
    ],
)
def test_what_each_state_means(state: SongState, has_stems: bool, is_removed: bool, is_visible: bool) -> None:
    one = song(state)
    assert (one.has_stems, one.is_removed, one.is_visible) == (has_stems, is_removed, is_visible)
