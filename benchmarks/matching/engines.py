"""Whether each index proposes the song that a file was made of, among many others: SQLite's and MongoDB's."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.matching.kinds import kinds_of
from benchmarks.matching.making import heard
from benchmarks.matching.sources import Song
from benchmarks.prints import Synthetic, song_id, stored
from demixer.adapters.common.hit_counts import key_hashes_of
from demixer.adapters.mongo.fingerprint_index import MongoFingerprints
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from demixer.recognition.fingerprint import Fingerprint
from tests import servers

ENGINES = ("SQLite", "MongoDB")


class Index(Protocol):
    def candidates(self, fingerprints: Sequence[bytes]) -> Sequence[str]: ...


def look_up(work: Path, songs: Sequence[Song], prints: Mapping[str, Fingerprint], fill: int) -> None:
    """`fill`: synthetic songs beside the real ones in SQLite. MongoDB, whose test server is slow, gets a hundredth."""
    known = {name: print_.to_bytes() for name, print_ in prints.items()} | {song.name: song.print for song in songs}
    synthetic = Synthetic(np.concatenate([print_.items for print_ in prints.values()]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(SqliteFingerprints(folder / "index.db")) as sqlite:
            real = ((name, key_hashes_of(print_)) for name, print_ in known.items())
            sqlite.load(one for some in (synthetic.songs(fill), real) for one in some)
            _keep(work, ENGINES[0], sqlite, songs)
        with servers.started(servers.mongodb, folder) as server, closing(MongoFingerprints(server.fresh())) as mongo:
            mongo.rebuild(one for some in (_made(synthetic, fill // 100), known.items()) for one in some)
            _keep(work, ENGINES[1], mongo, songs)


def proposed(work: Path) -> dict[str, set[tuple[str, str]]]:
    """By engine: songs and kinds of which the song was among the candidates."""
    return {name: {(song, kind) for song, kind in json.loads((work / f"{name}.json").read_text())} for name in ENGINES}


def _made(synthetic: Synthetic, count: int) -> Iterator[tuple[str, bytes]]:
    items = (some for batch in range(count) for some in synthetic.items(batch))
    return ((song_id(number), stored(some)) for number, some in enumerate(islice(items, count)))


def _keep(work: Path, engine: str, index: Index, songs: Sequence[Song]) -> None:
    found = [
        (song.name, kind.name)
        for song in songs
        for kind in kinds_of(song.played)
        if (file := heard(song, kind)) and song.name in index.candidates(file.phases)
    ]
    (work / f"{engine}.json").write_text(json.dumps(found))
