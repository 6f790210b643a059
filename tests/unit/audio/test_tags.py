import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mutagen.asf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import pytest
from PIL import Image

from demixer.audio import sandbox, tags
from demixer.audio.tags import clean_text, from_filename, read, year_of
from demixer.domain import Tags
from tests.audio_samples import FORMATS, tone, write
from tests.processes import left_running

# mutagen has type information for too little of itself
ASF: Any = mutagen.asf
FLAC: Any = mutagen.flac
ID3: Any = mutagen.id3
MP4: Any = mutagen.mp4

GIVEN = (
    "-metadata",
    "artist=Björk",
    "-metadata",
    "album=Post",
    "-metadata",
    "title=Jóga",
    "-metadata",
    "date=1997-09-16",
)
WRITTEN = Tags(artist="Björk", album="Post", title="Jóga", year=1997)


def picture(size: int = 800, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size // 2), "red").save(out, kind)
    return out.getvalue()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write(tmp_path / "song.mp3", tone(1))


@pytest.mark.parametrize("suffix", sorted(set(FORMATS) - {"aac"}))
def test_it_reads_the_tags_of_every_format(suffix: str, tmp_path: Path) -> None:
    extra = ("-write_id3v2", "1") if suffix == "aiff" else ()
    song = write(tmp_path / f"song.{suffix}", tone(1), *FORMATS[suffix], *GIVEN, *extra)
    assert read(song, "x.mp3").tags == WRITTEN


def test_the_stored_file_needs_no_suffix(tmp_path: Path) -> None:
    song = write(tmp_path / "song.mp3", tone(1), *GIVEN)
    assert read(song.rename(tmp_path / "original"), "").tags == WRITTEN


def with_id3(path: Path, *frames: Any) -> Path:
    id3 = ID3.ID3()
    for frame in frames:
        id3.add(frame)
    id3.save(path)
    return path


def apic() -> Any:
    return ID3.APIC(encoding=3, mime="image/png", type=3, desc="", data=picture())


def embedded(folder: Path) -> Iterator[Path]:
    yield with_id3(write(folder / "a.mp3", tone(1)), apic())
    flac = FLAC.FLAC(write(folder / "a.flac", tone(1)))
    cover = FLAC.Picture()
    cover.data, cover.type, cover.mime = picture(), 3, "image/png"
    flac.add_picture(cover)
    flac.save()
    yield folder / "a.flac"
    mp4 = MP4.MP4(write(folder / "a.m4a", tone(1)))
    mp4["covr"] = [MP4.MP4Cover(picture(), MP4.MP4Cover.FORMAT_PNG)]
    mp4.save()
    yield folder / "a.m4a"
    asf = ASF.ASF(write(folder / "a.wma", tone(1)))
    head = b"\x03" + len(picture()).to_bytes(4, "little") + "image/png\0\0".encode("utf-16-le")
    asf["WM/Picture"] = [ASF.ASFByteArrayAttribute(head + picture())]
    asf.save()
    yield folder / "a.wma"


def test_it_finds_the_cover_in_every_kind_of_tag(tmp_path: Path) -> None:
    for path in embedded(tmp_path):
        cover = read(path, path.name).cover
        assert cover is not None, path.name
        with Image.open(io.BytesIO(cover)) as image:
            assert (image.format, image.size) == ("JPEG", (600, 300)), path.name


def test_the_tags_beside_a_damaged_cover_are_read(song: Path) -> None:
    broken = ID3.APIC(encoding=3, mime="image/png", type=3, desc="", data=b"\x89PNG\r\n\x1a\nbroken")
    with_id3(song, broken, ID3.TIT2(encoding=3, text=["Title"]))
    found = read(song, "x.mp3")
    assert (found.tags.title, found.cover) == ("Title", None)


def test_utf8_stored_as_latin1_is_repaired(song: Path) -> None:
    wrong = "Привет".encode().decode("latin-1")
    with_id3(song, ID3.TIT2(encoding=0, text=[wrong]), ID3.TPE1(encoding=0, text=["Caf\xe9"]))
    assert read(song, "x.mp3").tags == Tags(artist="Café", title="Привет")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("BjÃ¶rk", "Björk"),
        ("donâ€™t", "don’t"),
        ("ÿþA\0b\0", "Ab"),
        ("䄀戀", "Ab"),
        ("Caf\xe9", "Café"),
        ("Ã la carte", "Ã la carte"),
        ("one\0two\r\n\tthree", "onetwo three"),
        ("a\u202eevil\u2066", "aevil"),
        ("عود 🎵 👩\u200d🎤", "عود 🎵 👩\u200d🎤"),
        ("e\u0301", "é"),
        ("\ud83d", ""),
        ("x" * 400, "x" * 300),
    ],
)
def test_texts_are_cleaned(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2004", 2004),
        ("2004-05-01", 2004),
        ("20040501", 2004),
        ("1/5/1999", 1999),
        ("1 May 2004", 2004),
        ("2004 / 2010", 2004),
        ("", None),
        ("99", None),
        ("0000", None),
        ("12345", None),
    ],
)
def test_the_year_is_found_in_any_date(text: str, year: int | None) -> None:
    assert year_of(text) == year


@pytest.mark.parametrize(
    ("filename", "artist", "title"),
    [
        ("Björk - Jóga.mp3", "Björk", "Jóga"),
        ("01 - Björk - Jóga.mp3", "Björk", "Jóga"),
        ("Björk - 04 - Jóga.mp3", "Björk", "Jóga"),
        ("03. Jóga.flac", "", "Jóga"),
        ("02 Jóga.flac", "", "Jóga"),
        ("1-03 Jóga.flac", "", "Jóga"),
        ("Björk_-_All_is_Full_of_Love.ogg", "Björk", "All is Full of Love"),
        ("../music\\Björk - Jóga.mp3", "Björk", "Jóga"),
        ("99 Luftballons.mp3", "", "99 Luftballons"),
        ("7 Rings.mp3", "", "7 Rings"),
        ("1979.mp3", "", "1979"),
        ("50 Cent - In Da Club.mp3", "50 Cent", "In Da Club"),
        ("AC-DC - T.N.T..mp3", "AC-DC", "T.N.T."),
        ("🎵🎶.mp3", "", "🎵🎶"),
        ("عود.mp3", "", "عود"),
        ("01.mp3", "", "01"),
        ("no suffix", "", "no suffix"),
        ("x" * 251 + ".mp3", "", "x" * 251),
        (".mp3", "", ""),
        ("", "", ""),
    ],
)
def test_the_name_of_a_file_gives_artist_and_title(filename: str, artist: str, title: str) -> None:
    assert from_filename(filename) == Tags(artist=artist, title=title)


def test_the_name_of_the_file_only_fills_in_for_a_missing_title(song: Path) -> None:
    assert read(song, "Björk - Jóga.mp3").tags == Tags(artist="Björk", title="Jóga")
    with_id3(song, ID3.TPE1(encoding=3, text=["Someone"]))
    assert read(song, "Björk - Jóga.mp3").tags == Tags(artist="Someone", title="Jóga")
    with_id3(song, ID3.TIT2(encoding=3, text=["Title"]))
    assert read(song, "Björk - Jóga.mp3").tags == Tags(title="Title")


def test_damaged_tags_are_no_tags(tmp_path: Path, song: Path) -> None:
    tagged = with_id3(song, ID3.TIT2(encoding=3, text=["Title"]), apic()).read_bytes()
    for number, content in enumerate(
        (b"", os.urandom(5_000), tagged[:30], b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + tagged)
    ):
        broken = tmp_path / f"broken-{number}"
        broken.write_bytes(content)
        assert read(broken, "A - B.mp3").cover is None
        assert read(broken, "A - B.mp3").tags.title in ("B", "Title")


def test_a_reader_that_hangs_is_stopped(tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(tags, "_LIMITS", sandbox.Limits(wait=0.5))
    assert read(song, "A - B.mp3").tags == Tags(artist="A", title="B")
    assert not left_running()
