"""A catalogue that grows by files of real sound: all that happens to an upload, but for what its model would do."""

from pathlib import Path

import numpy as np

from consumers import fingerprint, match
from demixer.domain import RelationType, Song, Stem, Upload, events
from demixer.recognition import reference
from demixer.recognition.reference import RATE
from demixer.services import separations
from demixer.wiring import House
from tests.audio_samples import Samples, music, write
from tests.consumers.driving import drained
from tests.houses import Clock
from tests.ways import MODEL, now, sent, song_of

STEMS = (Stem(name="low", peak=0.5), Stem(name="high", peak=0.5))
SIXTEEN = ("-sample_fmt", "s16")  # bits
SMOOTH = np.full(8, 1 / 8)  # below 700 Hz, about


def song(seconds: float, seed: int = 1) -> Samples:
    """Music in mono at `RATE`, which is quick to decode."""
    return music(seconds, seed=seed)[:1, ::4]


class Catalogue:
    """`bring` takes a file all the way, until nothing is left to do."""

    def __init__(self, house: House, clock: Clock, folder: Path) -> None:
        self.house, self._clock, self._folder = house, clock, folder
        self._names: dict[str, str] = {}  # of songs, by their ids

    def bring(self, name: str, sound: Samples, *options: str, suffix: str = "wav") -> Upload:
        """`sound` in mono at `RATE`."""
        return self.bring_file(name, write(self._folder / f"{name}.{suffix}", sound, *options, sample_rate=RATE))

    def bring_file(self, name: str, path: Path) -> Upload:
        house, upload = self.house, sent(self.house, name, path.read_bytes(), path.name)
        drained(house, self._clock, fingerprint.consumer(house), match.consumer(house, lambda: MODEL))
        ended = now(house, upload)
        if ended.song_id and ended.song_id not in self._names:
            self._names[ended.song_id] = name
            self._separate(path, song_of(house, ended.song_id))
        return ended

    def _separate(self, path: Path, song: Song) -> None:
        separation = self.house.catalogue.separations.get(song.separation_id or "")
        assert separation is not None
        begun = separations.begin(self.house, events.separation_requested(separation), "CPU")
        assert begun is not None
        separations.finish(self.house, begun[0], split(path, self._folder / song.id), STEMS, 1.0)

    def joined(self, upload: Upload) -> str:
        """The name of the file that brought the song."""
        return self._names[upload.song_id or ""]

    def relatives(self, upload: Upload) -> dict[str, RelationType]:
        return {self._names[link.song_id]: link.type for link in song_of(self.house, upload.song_id).relations}


def split(path: Path, folder: Path) -> Path:
    """Nothing but the reference of a separation, of two stems: what is low, and what is high."""
    folder.mkdir()
    whole = reference.as_float(reference.decode_file(path))
    low = np.convolve(whole, SMOOTH, mode="same")
    write(folder / reference.FILE, np.stack([whole, low, whole - low]).astype(np.float32), *SIXTEEN, sample_rate=RATE)
    return folder
