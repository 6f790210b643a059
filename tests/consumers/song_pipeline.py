"""A catalogue that grows by files of real sound: all that happens to an upload, except that no model separates it."""

from pathlib import Path

import numpy as np

from demixer.domain import RelationType, Song, Stem, Upload
from demixer.recognition import reference
from demixer.recognition.reference import RATE
from demixer.wiring import Services
from tests.audio_samples import Samples, music, write
from tests.consumers import consumers_of
from tests.consumers.driving import drained
from tests.steps import now, sent, separation_of, song_of
from tests.wired import Clock

STEMS = (Stem(name="low", peak=0.5), Stem(name="high", peak=0.5))
SIXTEEN = ("-sample_fmt", "s16")  # bits
SMOOTH = np.full(8, 1 / 8)  # below 700 Hz, about


def song(seconds: float, seed: int = 1) -> Samples:
    """Music in mono at `RATE`, which is quick to decode."""
    return music(seconds, seed=seed)[:1, ::4]


class SongPipeline:
    """`process` takes a file all the way, until nothing is left to do."""

    def __init__(self, services: Services, clock: Clock, folder: Path) -> None:
        self.services, self._clock, self._folder = services, clock, folder
        self._names: dict[str, str] = {}  # of songs, by their ids

    def process(self, name: str, sound: Samples, *options: str, suffix: str = "wav") -> Upload:
        """`sound` in mono at `RATE`."""
        return self.process_file(name, write(self._folder / f"{name}.{suffix}", sound, *options, sample_rate=RATE))

    def process_file(self, name: str, path: Path) -> Upload:
        services = self.services
        upload = sent(services, name, path.read_bytes(), path.name)
        drained(services, self._clock, consumers_of.fingerprint(services), consumers_of.match(services))
        ended = now(services, upload)
        if ended.song_id and ended.song_id not in self._names:
            self._names[ended.song_id] = name
            self._separate(path, song_of(services, ended.song_id))
        return ended

    def joined(self, upload: Upload) -> str:
        """The name of the file that brought the song."""
        return self._names[upload.song_id or ""]

    def relations(self, upload: Upload) -> dict[str, RelationType]:
        """Of the song that the upload joined, by the name of the file that brought the other song."""
        return {self._names[each.song_id]: each.type for each in song_of(self.services, upload.song_id).relations}

    def _separate(self, path: Path, song: Song) -> None:
        separation = separation_of(self.services, song.separation_id)
        begun = self.services.separations.begin(separation.id, separation.attempt, "CPU")
        assert begun is not None
        self.services.separations.finish(begun[0], split(path, self._folder / song.id), STEMS, 1.0)
        self.services.flush()


def split(path: Path, folder: Path) -> Path:
    """Nothing but the reference of a separation, of two stems: what is low, and what is high."""
    folder.mkdir()
    whole = reference.as_float(reference.decode_file(path))
    low = np.convolve(whole, SMOOTH, mode="same")
    write(folder / reference.FILE, np.stack([whole, low, whole - low]).astype(np.float32), *SIXTEEN, sample_rate=RATE)
    return folder
