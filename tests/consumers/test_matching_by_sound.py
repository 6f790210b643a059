"""Files of one recording through all consumers, with real sound: what joins its song, and what is another mix of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from demixer.domain import RelationType, Stem, Upload
from demixer.recognition import reference
from demixer.separation.separate import Made
from demixer.services.listing import every_song
from demixer.services.matching import MatchResult
from demixer.services.storage import store_bytes
from demixer.wiring import Services
from tests.audio_samples import write
from tests.consumers import consumers_of
from tests.consumers.driving import drained
from tests.steps import keys, now, sent
from tests.unit.audio.test_mix_comparison import Parts, mixed, parts_of
from tests.wired import Clock

pytestmark = pytest.mark.thorough


class KnowsTheParts:
    """A separation that finds exactly what the song was made of."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def separate(self, source: Path, folder: Path, model: str, **_: Callable[..., object]) -> Made:
        for name, part in self._parts.items():
            write(folder / f"{name}.flac", part)
            for other in ("mp3", "json"):
                (folder / f"{name}.{other}").write_bytes(b"")
        stems = tuple(Stem(name=name, peak=0.5) for name in self._parts)
        return Made(model=model, parameters=model, device="CPU", duration=40.0, gain=1.0, stems=stems)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of()


@pytest.fixture
def process(services: Services, clock: Clock, parts: Parts) -> Callable[[], None]:
    """Every consumer in turn, until nothing is left to do."""

    def process() -> None:
        first, second, third, _ = consumers_of.everything(services, KnowsTheParts(parts))
        drained(services, clock, first, second, third)

    return process


def files(parts: Parts, folder: Path) -> dict[str, bytes]:
    song = mixed(parts)
    made = {
        "flac": write(folder / "song.flac", song),
        "mp3": write(folder / "song.mp3", song, "-b:a", "64k"),
        "no drums": write(folder / "no-drums.mp3", song - parts["drums"], "-b:a", "128k"),
    }
    return {name: path.read_bytes() for name, path in made.items()}


def test_another_encoding_joins_and_a_version_without_drums_is_told_from_it(
    services: Services, parts: Parts, process: Callable[[], None], tmp_path: Path
) -> None:
    uploads: dict[str, Upload] = {}
    for name, data in files(parts, tmp_path).items():
        uploads[name] = sent(services, name, data)
        process()
    joined = {name: now(services, upload).song_id for name, upload in uploads.items()}
    assert joined["mp3"] == joined["flac"]
    assert joined["no drums"] not in (None, joined["flac"])
    ((link, original),) = services.songs.view(joined["no drums"] or "", None).related_songs
    assert (original.id, link.type, link.missing_stems, link.lacks_stems) == (
        joined["flac"],
        RelationType.MIX,
        ("drums",),
        True,
    )


@pytest.mark.parametrize("damage", [None, b"", b"no FLAC"])
def test_a_reference_that_was_lost_or_damaged_is_made_anew_from_the_stems(
    services: Services, parts: Parts, process: Callable[[], None], tmp_path: Path, damage: bytes | None
) -> None:
    made = files(parts, tmp_path)
    first = sent(services, "flac", made["flac"])
    process()
    (separation,) = services.catalogue.separations.of_song(now(services, first).song_id or "")
    key = f"{separation.folder}/{reference.FILE}"
    services.files.delete(key)
    if damage is not None:
        store_bytes(services.files, key, damage)
    second = sent(services, "mp3", made["mp3"])
    process()
    assert now(services, second).song_id == now(services, first).song_id
    with services.files.local(key) as path:
        assert reference.read(path, list(parts)) is not None


def test_two_encodings_at_once_cost_one_separation_and_two_decodes(
    services: Services, parts: Parts, process: Callable[[], None], tmp_path: Path, decoded: list[Path]
) -> None:
    made = files(parts, tmp_path)
    both = [sent(services, name, made[name]) for name in ("flac", "mp3")]
    for _ in range(3):  # compared with what came meanwhile, then with its stems
        process()
    assert len({now(services, upload).song_id for upload in both}) == 1
    assert len(services.catalogue.separations.of_song(now(services, both[0]).song_id or "")) == 1
    assert sorted(now(services, upload).attempt > 1 for upload in both) == [False, True], "one was compared again"
    assert len(decoded) == 2
    assert not [key for key in keys(services) if key.startswith("analyses/")]


def test_songs_that_are_one_are_found_and_another_mix_is_not(
    services: Services, parts: Parts, process: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an import: every file has made a song."""
    monkeypatch.setattr(services.matching, "resolve_match", lambda upload, analysis: MatchResult())
    song_ids = {}
    for name, data in files(parts, tmp_path).items():
        upload = sent(services, name, data)
        process()
        song_ids[name] = now(services, upload).song_id
    assert len(set(song_ids.values())) == 3
    (pair,) = [pair for song in every_song(services.catalogue) for pair in services.duplicates.of(song)]
    assert {pair.kept.id, pair.other.id} == {song_ids["flac"], song_ids["mp3"]}
