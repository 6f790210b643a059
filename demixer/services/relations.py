"""Which song a file is a recording of, by what the comparison found; and how songs that are relatives are linked."""

from dataclasses import dataclass, replace
from functools import partial

from demixer.domain import Analysis, Comparison, MatchMethod, MatchVerdict, Relation, RelationType, Separation, Song
from demixer.services import comparisons, merging
from demixer.services.optimistic import Decision, change
from demixer.wiring import House

MOST_LINKS = 50  # of one song


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """At most one of `song`, `look_again` and `wait_for` says something; otherwise it is a new song with `links`."""

    song: Song | None = None  # the same recording in the same mix
    match: MatchMethod = MatchMethod.RECORDING  # how it was found
    look_again: bool = False  # a song like it has appeared since it was compared
    wait_for: Song | None = None  # its stems will tell
    links: tuple[Relation, ...] = ()


def find(house: House, heard: Analysis) -> Found:
    """Takes milliseconds. By `heard.compared`, checked against the songs that are alike now."""
    phases = [phase for phase in (heard.fingerprint, heard.shifted_fingerprint) if phase]
    alike = comparisons.alike(house, phases)[: comparisons.KEPT]
    compared = {one.song_id: one for one in heard.comparisons}
    known = [(song, compared[song.id]) for song, _ in alike if song.id in compared]
    for song, one in known:
        if one.verdict is MatchVerdict.SAME:
            return Found(song=song)
    if any(like.same and song.id not in compared for song, like in alike[: comparisons.LISTENED]):
        return Found(look_again=True)
    for song, one in known:
        if one.verdict is MatchVerdict.UNSURE and _on_its_way(house, song):
            return Found(wait_for=song)
    return Found(links=tuple(_link(one) for _, one in known))


def link_back(house: House, song: Song) -> None:
    """The relatives of a new song know of it, too. Safe to repeat."""
    for link in song.relations:
        back = replace(link, song_id=song.id, lacks_stems=False)
        change(house.catalogue.songs, link.song_id, partial(_with_link, house, back))


def relatives(house: House, song: Song) -> list[tuple[Relation, Song]]:
    """Those that people can see, each once, with those of the songs merged into it."""
    links = [link for one in merging.merged_with(house, song) for link in one.relations]
    others = ((link, house.catalogue.songs.get(link.song_id)) for link in links)
    found: dict[str, tuple[Relation, Song]] = {}
    for link, other in others:
        standing = merging.standing(house, other) if other else None
        if standing and standing.is_visible and standing.id != song.id:
            found.setdefault(standing.id, (link, standing))
    return list(found.values())


_KINSHIP = {MatchVerdict.MIX: RelationType.MIX, MatchVerdict.EDIT: RelationType.EDIT}


def _link(one: Comparison) -> Relation:
    """What could not be told is a version."""
    kinship = _KINSHIP.get(one.verdict, RelationType.VERSION)
    return Relation(
        song_id=one.song_id, type=kinship, missing_stems=one.missing_stems, lacks_stems=bool(one.missing_stems)
    )


def _with_link(house: House, link: Relation, song: Song) -> Decision[Song]:
    if link in song.relations or len(song.relations) >= MOST_LINKS:
        return None
    others = tuple(other for other in song.relations if other.song_id != link.song_id)
    return replace(song, relations=(*others, link), updated_at=house.now()), []


def _on_its_way(house: House, song: Song) -> bool:
    separation: Separation | None = house.catalogue.separations.get(song.separation_id or "")
    return separation is not None and separation.is_open
