import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from demixer.audio.encode import StemWriter
from demixer.domain import Person, Song
from demixer.wiring import Services
from tests.web.visiting import FOUR, Browser, a_ready_song, a_song, make_ready, problem
from web.http.files import disposition

BYTES = bytes(range(256)) * 40


@pytest.fixture
def song(services: Services, ana: Person) -> Song:
    return a_ready_song(services, ana, "Canción", vocals_mp3=BYTES, vocals_json=b'{"duration": 1, "points": []}')


@pytest.fixture
def stem(song: Song) -> str:
    return f"/songs/{song.id}/stems/vocals.mp3"


def test_a_stem_needs_no_account(browser: Browser, stem: str) -> None:
    browser.post("/sign-out")
    response = browser.get(stem)
    assert (response.status_code, response.mimetype, response.data) == (200, "audio/mpeg", BYTES)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10000, 10240),
        ("bytes=-40", 10200, 10240),
        ("bytes=10000-999999", 10000, 10240),
        ("bytes=-999999", 0, 10240),
    ],
)
def test_a_range_is_answered_with_just_that(browser: Browser, stem: str, asked: str, start: int, end: int) -> None:
    response = browser.get(stem, headers={"Range": asked})
    assert response.status_code == 206
    assert response.data == BYTES[start:end]
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/10240"
    assert response.content_length == end - start


@pytest.mark.parametrize("asked", ["bytes=0-1,5-9", "lines=1-2", "bytes=b-a", "bytes=9-2", "nonsense"])
def test_a_range_we_do_not_do_is_answered_with_everything(browser: Browser, stem: str, asked: str) -> None:
    response = browser.get(stem, headers={"Range": asked})
    assert (response.status_code, response.data) == (200, BYTES)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=-0", "bytes = -00"])
def test_a_range_past_the_end_is_refused(browser: Browser, stem: str, asked: str) -> None:
    response = browser.get(stem, headers={"Range": asked})
    assert (response.status_code, response.data) == (416, b"")
    assert response.headers["Content-Range"] == "bytes */10240"


def test_a_range_of_another_version_is_answered_with_everything(browser: Browser, stem: str) -> None:
    etag = browser.get(stem).headers["ETag"]
    for condition, status in (
        (etag, 206),
        ('"another"', 200),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 200),
        (f"W/{etag}", 206),
    ):
        response = browser.get(stem, headers={"Range": "bytes=0-9", "If-Range": condition})
        assert response.status_code == status, condition


def test_what_a_cache_still_has_is_not_sent_again(browser: Browser, stem: str) -> None:
    etag = browser.get(stem).headers["ETag"]
    response = browser.get(stem, headers={"If-None-Match": etag})
    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["Cache-Control"] == "public, no-cache"


def test_head_says_the_length_and_sends_nothing(browser: Browser, stem: str) -> None:
    response = browser.client.head(stem)
    assert (response.status_code, response.content_length, response.data) == (200, 10240, b"")


def test_a_download_is_named_for_people(browser: Browser, stem: str) -> None:
    named = (
        "filename=\"Ana y Los Otros - Cancion (vocals).mp3\"; filename*=UTF-8''Ana%20y%20Los%20Otros%20-%20Canci%C3%B3n"
    )
    assert browser.get(stem).headers["Content-Disposition"].startswith(f"inline; {named}")
    assert browser.get(stem + "?download=1").headers["Content-Disposition"].startswith(f"attachment; {named}")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ana - Canción (vocals).mp3", "Ana - Cancion (vocals).mp3"),
        ("Ana - 🎵 (vocals).mp3", "Ana (vocals).mp3"),
        ("久石譲 - Summer (flac).zip", "Summer (flac).zip"),
        ("久石譲 - 人生のメリーゴーランド X (other).wav", "song (other).wav"),
        ("🎵 (vocals).mp3", "song (vocals).mp3"),
        ("-rf (vocals).mp3", "rf (vocals).mp3"),
    ],
)
def test_the_name_for_old_clients_is_readable_too(name: str, plain: str) -> None:
    assert f'; filename="{plain}"' in disposition(name, attachment=True)


@pytest.mark.parametrize("title", ['quote" and \\ slash', "line\nbreak", "🎵", "../../etc", "اغنية", ";filename=x"])
def test_no_title_breaks_out_of_its_header(browser: Browser, ana: Person, services: Services, title: str) -> None:
    song = a_ready_song(services, ana, title, vocals_mp3=b"x")
    header = browser.get(f"/songs/{song.id}/stems/vocals.mp3").headers["Content-Disposition"]
    assert header.count('"') == 2
    assert header.isascii()
    assert "\n" not in header


def test_a_better_separation_takes_over_the_address(browser: Browser, ana: Person, services: Services) -> None:
    song = a_song(services, ana)
    make_ready(services, song, {"vocals.mp3": b"first"}, stems=["vocals"])
    before = browser.get(f"/songs/{song.id}/stems/vocals.mp3").headers["ETag"]
    better = services.separations.request(song.id, "htdemucs")
    current = services.catalogue.songs.get(song.id)
    assert current
    current = services.catalogue.songs.save(replace(current, separation_id=better.id))
    make_ready(services, current, {"vocals.mp3": b"better"}, stems=["vocals"])
    response = browser.get(f"/songs/{song.id}/stems/vocals.mp3", headers={"If-None-Match": before})
    assert (response.status_code, response.data) == (200, b"better")


def test_a_stem_that_is_none_is_not_found(browser: Browser, song: Song) -> None:
    for name in ("kazoo.mp3", "kazoo.wav", "kazoo.json", "drums.mp3"):
        response = browser.get(f"/songs/{song.id}/stems/{name}", headers={"Accept": "application/json"})
        assert problem(response)["code"] == "no-such-stem"


def test_the_waveform_is_json(browser: Browser, song: Song) -> None:
    response = browser.get(f"/songs/{song.id}/stems/vocals.json")
    assert json.loads(response.data) == {"duration": 1, "points": []}
    assert response.mimetype == "application/json"


@pytest.mark.parametrize("extension", ["mp3", "flac"])
def test_the_zip_holds_all_stems_and_says_its_length(
    browser: Browser, ana: Person, services: Services, extension: str
) -> None:
    files = {f"{name}_{extension}": name.encode() * 1000 for name in FOUR}
    song = a_ready_song(services, ana, "Canción", **files)
    response = browser.get(f"/songs/{song.id}/stems.zip?format={extension}")
    assert response.content_length == len(response.data)
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        folder = "Ana y Los Otros - Canción"
        assert set(archive.namelist()) == {f"{folder}/{folder} ({name}).{extension}" for name in FOUR}
        assert archive.read(f"{folder}/{folder} (bass).{extension}") == b"bass" * 1000
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def test_a_zip_of_an_unknown_format_is_not_found(browser: Browser, song: Song) -> None:
    assert browser.get(f"/songs/{song.id}/stems.zip?format=exe").status_code == 404


def test_a_song_without_stems_has_no_zip(browser: Browser, ana: Person, services: Services) -> None:
    assert browser.get(f"/songs/{a_song(services, ana).id}/stems.zip").status_code == 404


def test_a_wav_is_made_when_asked_for_and_kept(
    browser: Browser, ana: Person, services: Services, tmp_path: Path
) -> None:
    with StemWriter(tmp_path, "vocals") as writer:
        writer.write(np.full((2, 4410), 0.25, dtype=np.float32))
    song = a_ready_song(services, ana, vocals_flac=(tmp_path / "vocals.flac").read_bytes())
    address = f"/songs/{song.id}/stems/vocals.wav"
    whole = browser.get(address)
    assert (whole.status_code, whole.mimetype) == (200, "audio/wav")
    assert whole.data[:4] == b"RIFF"
    assert len(whole.data) >= 4410 * 2 * 3
    assert browser.get(address, headers={"Range": "bytes=8-11"}).data == b"WAVE"
    assert [key for key, _ in services.files.keys("exports")] == [f"exports/{song.separation_id}/vocals.wav"]


def test_a_wav_of_a_damaged_file_leaves_nothing(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana, vocals_flac=b"no flac at all")
    assert browser.get(f"/songs/{song.id}/stems/vocals.wav").status_code >= 500
    assert list(services.files.keys("exports")) == []
