"""From a file to stems, through the service as `make run` starts it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from demucs.apply import apply_model

from tests import music, small_models
from tests.e2e.service import Service, service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demucs_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a small HTDemucs whose weights the product finds in MODELS_DIR, as it would find the real ones."""
    models = tmp_path_factory.mktemp("models")
    small_models.save(models, "htdemucs")
    with service(tmp_path_factory.mktemp("data"), MODELS_DIR=str(models), MODEL="auto", DEVICE="cpu") as running:
        yield running


@pytest.fixture(scope="module")
def offline_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the weights that ship in a package: what a machine without any way to a model hub has."""
    with service(tmp_path_factory.mktemp("data"), MODEL="spleeter-2stems", DEVICE="cpu") as running:
        yield running


def stem(running: Service, tmp_path: Path, song_id: str, name: str) -> np.ndarray:
    path = tmp_path / f"{name}.flac"
    path.write_bytes(running.person(f"{name}@example.org").bytes(f"/songs/{song_id}/stems/{name}.flac"))
    return music.decoded(path)


def sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Signal-to-distortion ratio in dB, over all samples and channels."""
    length = min(reference.shape[1], estimate.shape[1])
    noise = reference[:, :length] - estimate[:, :length]
    return float(10 * np.log10(np.sum(reference[:, :length] ** 2) / np.sum(noise**2)))


def test_a_song_becomes_the_four_stems_that_demucs_itself_would_make(demucs_service: Service, tmp_path: Path) -> None:
    anna = demucs_service.person("anna@example.org")
    sent = music.converted(music.stem_file(), tmp_path / "Falcon 69.wav")
    upload = anna.ended(anna.upload(sent)["id"])
    assert upload["status"] == "ready", upload
    song = anna.get(f"/api/v1/songs/{upload['song_id']}")
    assert {each["name"] for each in song["stems"]} == {"vocals", "drums", "bass", "other"}

    model = small_models.model()
    mix = torch.from_numpy(music.decoded(sent))
    mean, std = mix.mean(0).mean(), mix.mean(0).std()
    expected = apply_model(model, ((mix - mean) / std)[None], shifts=0, split=True, overlap=0.25)[0] * std + mean
    gain = min(1.0, song["gain"])
    for name, wanted in zip(model.sources, expected.numpy(), strict=True):
        got = stem(demucs_service, tmp_path, song["id"], name)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted * gain, atol=2**-22)  # half a step of 24 bits, and float rounding


def test_the_offline_engine_lifts_the_vocals_10_db_above_the_mixture(offline_service: Service, tmp_path: Path) -> None:
    berta = offline_service.person("berta@example.org")
    upload = berta.ended(berta.upload(music.stem_file())["id"])
    assert upload["status"] == "ready", upload
    assert upload["model"] == "spleeter-2stems"
    vocals = stem(offline_service, tmp_path, upload["song_id"], "vocals")
    reference = music.stem_audio("vocals")
    assert sdr(reference, vocals) >= sdr(reference, music.stem_audio("mixture")) + 10


def test_another_encoding_from_another_person_is_ready_at_once(demucs_service: Service, tmp_path: Path) -> None:
    carla, dora = demucs_service.person("carla@example.org"), demucs_service.person("dora@example.org")
    original = music.clip(music.tracks()[1], tmp_path / "original.flac", start=0, seconds=60)
    first = carla.ended(carla.upload(original)["id"])
    assert first["status"] == "ready", first
    assert not first["matched"]

    transcoded = music.converted(original, tmp_path / "other.mp3", "-b:a", "96k", "-af", "volume=-4dB")
    again = dora.ended(dora.upload(transcoded)["id"], seconds=10)
    assert (again["status"], again["matched"], again["song_id"]) == ("ready", True, first["song_id"])
    same_file = dora.ended(dora.upload(original)["id"], seconds=10)
    assert (same_file["matched"], same_file["song_id"]) == (True, first["song_id"])


def test_two_people_sending_the_same_new_song_at_once_cost_one_separation(
    demucs_service: Service, tmp_path: Path
) -> None:
    people = [demucs_service.person(f"twin{number}@example.org") for number in range(2)]
    song = music.clip(music.tracks()[4], tmp_path / "new.flac", start=20, seconds=30)
    files = [song, music.converted(song, tmp_path / "new.ogg", "-q:a", "6")]
    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(lambda pair: pair[0].upload(pair[1]), zip(people, files, strict=True)))
    ended = [person.ended(upload["id"]) for person, upload in zip(people, sent, strict=True)]
    assert [upload["status"] for upload in ended] == ["ready", "ready"]
    assert len({upload["song_id"] for upload in ended}) == 1
    assert sorted(upload["matched"] for upload in ended) == [False, True]


def test_ctrl_c_stops_everything_within_5_seconds_and_loses_nothing(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    small_models.save(models, "htdemucs")
    running = Service(tmp_path / "data", MODELS_DIR=str(models), MODEL="htdemucs", DEVICE="cpu")
    running.start()
    try:
        emma = running.person("emma@example.org")
        upload = emma.upload(music.clip(music.tracks()[2], tmp_path / "song.flac", start=0, seconds=40))
        processes = running.children()
        assert running.interrupt() < 5
        assert not [process for process in processes if process.is_running() and process.status() != "zombie"]
        running.start()
        assert emma.ended(upload["id"])["status"] == "ready"
    finally:
        running.stop()
