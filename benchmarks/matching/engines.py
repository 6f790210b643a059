"""Whether each index proposes the song that a file was made of, among many others: SQLite's and MongoDB's."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.fingerprints import Synthetic, song_id, stored
from benchmarks.matching.files import load
from benchmarks.matching.sources import Song
from benchmarks.matching.transforms import transforms_of
from demixer.adapters.common.hit_counts import key_hashes_of
from demixer.adapters.mongo.fingerprint_index import MongoFingerprints
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from demixer.recognition.fingerprint import Fingerprint
from tests import servers

ENGINES = ("SQLite", "MongoDB")


class Index(Protocol):
    def candidates(self, fingerprints: Sequence[bytes]) -> Sequence[str]: ...


def look_up(work: Path, songs: Sequence[Song], fingerprints: Mapping[str, Fingerprint], fill: int) -> None:
    """`fill`: synthetic songs beside the real ones in SQLite. MongoDB, whose test server is slow, gets a hundredth."""
    known = {name: fingerprint.to_bytes() for name, fingerprint in fingerprints.items()} | {
        song.name: song.fingerprint for song in songs
    }
    synthetic = Synthetic(np.concatenate([fingerprint.items for fingerprint in fingerprints.values()]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(SqliteFingerprints(folder / "index.db")) as sqlite:
            real = ((name, key_hashes_of(fingerprint)) for name, fingerprint in known.items())
            sqlite.load(one for some in (synthetic.songs(fill), real) for one in some)
            _keep(work, ENGINES[0], sqlite, songs)
        with servers.started(servers.mongodb, folder) as server, closing(MongoFingerprints(server.fresh())) as mongo:
            mongo.rebuild(one for some in (_made(synthetic, fill // 100), known.items()) for one in some)
            _keep(work, ENGINES[1], mongo, songs)


def proposed(work: Path) -> dict[str, set[tuple[str, str]]]:
    """By engine: songs and transforms of which the song was among the candidates."""
    return {
        name: {(song, transform) for song, transform in json.loads((work / f"{name}.json").read_text())}
        for name in ENGINES
    }


def _made(synthetic: Synthetic, count: int) -> Iterator[tuple[str, bytes]]:
    items = (some for batch in range(count) for some in synthetic.items(batch))
    return ((song_id(number), stored(some)) for number, some in enumerate(islice(items, count)))


def _keep(work: Path, engine: str, index: Index, songs: Sequence[Song]) -> None:
    found = [
        (song.name, transform.name)
        for song in songs
        for transform in transforms_of(song.is_rendered)
        if (file := load(song, transform)) and song.name in index.candidates(file.variants)
    ]
    (work / f"{engine}.json").write_text(json.dumps(found))
