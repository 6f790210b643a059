"""What is measured of a file, once; the decoder and the tag reader are stand-ins here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demixer.audio.tags import FileTags
from demixer.domain import Comparison, Encoding, MatchVerdict, Tags
from demixer.domain.errors import NotFound, Refused
from demixer.recognition import reference
from demixer.recognition.decoding import DecodedAudio
from demixer.recognition.fingerprint import Fingerprint
from demixer.services import file_analyser
from demixer.services.file_analyser import samples_key
from demixer.services.storage import store_bytes
from demixer.wiring import Services
from tests.steps import bytes_of, keys, matched, sent, sound

SAMPLES = np.arange(-600, 600, dtype=np.int16)
DULL = Fingerprint(np.zeros(900, dtype=np.uint32), 120.0)  # of a tone


class Decoder:
    """Gives `fingerprint`, and counts."""

    def __init__(self) -> None:
        self.fingerprint, self.decodes = sound(1), 0

    def __call__(self, path: Path, *, max_minutes: float) -> DecodedAudio:
        self.decodes += 1
        return DecodedAudio(
            duration=120.0,
            peak=0.5,
            container="mp3",
            has_video=False,
            encoding=Encoding(codec="mp3", bit_rate=320_000, sample_rate=44_100, channels=2, bandwidth=20_000),
            fingerprint=self.fingerprint,
            shifted_fingerprint=sound(2),
            samples=SAMPLES,
        )


@pytest.fixture(autouse=True)
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    made = Decoder()
    monkeypatch.setattr(file_analyser, "decode_and_fingerprint", made)
    monkeypatch.setattr(
        "demixer.audio.tags.read", lambda path, name: FileTags(Tags(title=name or "", year=1994), b"jpeg")
    )
    return made


def test_everything_that_one_decode_gives_is_kept_under_the_hash_of_the_file(
    services: Services, decoder: Decoder
) -> None:
    upload = sent(services, filename="Artist - Title.mp3")
    analysis = services.analyser.analyse(upload)
    assert (analysis.id, analysis.duration, analysis.sample_hash) == (upload.sha256, 120.0, "")
    assert analysis.fingerprint == sound(1).to_bytes()
    assert analysis.shifted_fingerprint == sound(2).to_bytes()
    assert (analysis.encoding.codec, analysis.encoding.bit_rate, analysis.encoding.bandwidth) == (
        "mp3",
        320_000,
        20_000,
    )
    assert analysis.tags == Tags(year=1994), "the name of the file is the person's"
    assert analysis.cover_key == f"covers/{upload.sha256}.jpg"
    assert bytes_of(services, analysis.cover_key) == b"jpeg"


def test_the_samples_are_stored_without_loss(services: Services) -> None:
    upload = sent(services)
    services.analyser.analyse(upload)
    stored = reference.decode_mono(bytes_of(services, samples_key(upload.sha256)))
    assert stored is not None
    assert np.array_equal(stored, SAMPLES)


def test_a_file_is_decoded_once_however_often_it_is_compared(services: Services, decoder: Decoder) -> None:
    first = services.analyser.analyse(sent(services, "ana"))
    services.catalogue.analyses.save(first)
    for person in ("berta", "ana"):
        assert services.analyser.analyse(sent(services, person)) == first
    assert decoder.decodes == 1


def test_comparing_again_finds_the_songs_that_have_come_meanwhile(services: Services, decoder: Decoder) -> None:
    upload = sent(services, data=b"mp3")
    analysis = services.analyser.analyse(upload)
    assert analysis.comparisons == ()
    services.catalogue.analyses.save(analysis)
    other = matched(services, sent(services, data=b"flac"))
    services.files.delete(other.audio_key)  # so that nothing can be compared but the fingerprints
    again = services.analyser.analyse(upload)
    assert again.comparisons == (Comparison(song_id=other.song_id or "", verdict=MatchVerdict.UNSURE),)
    assert decoder.decodes == 1


@pytest.mark.parametrize("damage", [None, b"", b"no FLAC"])
def test_samples_that_were_lost_or_damaged_are_decoded_again(
    services: Services, decoder: Decoder, damage: bytes | None
) -> None:
    upload = sent(services)
    services.catalogue.analyses.save(services.analyser.analyse(upload))
    services.files.delete(samples_key(upload.sha256))
    if damage is not None:
        store_bytes(services.files, samples_key(upload.sha256), damage)
    services.analyser.analyse(upload)
    assert decoder.decodes == 2


def test_a_file_that_is_a_song_already_is_not_compared(services: Services) -> None:
    matched(services, sent(services, "ana"))
    assert services.analyser.analyse(sent(services, "berta")).comparisons == ()


def test_where_the_fingerprint_says_too_little_the_samples_have_a_hash(services: Services, decoder: Decoder) -> None:
    decoder.fingerprint = DULL
    assert len(services.analyser.analyse(sent(services)).sample_hash) == 64


def test_what_is_refused_leaves_nothing_behind(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **limits: Any) -> DecodedAudio:
        raise Refused("silent")

    monkeypatch.setattr(file_analyser, "decode_and_fingerprint", refuse)
    upload = sent(services)
    with pytest.raises(Refused, match="silent"):
        services.analyser.analyse(upload)
    assert keys(services) == {upload.audio_key}


def test_a_file_that_is_gone_is_not_found(services: Services) -> None:
    upload = sent(services)
    services.files.delete(upload.audio_key)
    with pytest.raises(NotFound):
        services.analyser.analyse(upload)
