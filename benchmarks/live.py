"""200 live pages on one machine, with the default settings: how soon does each show progress?

    python -m benchmarks.live

The claim: all 200 are sent every step, the 95th percentile within a second. The baseline is what pages do without a
stream: they poll; the last line says how long it takes to answer all of them once.
"""

import selectors
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.report import TIMES_HEADER, milliseconds, percentile, print_table, times
from demixer.domain import Separation, Song, Tags, song_id_of
from demixer.runtime.settings import load
from demixer.wiring import Services, open_services
from tests.serving import Served, Visitor, serving

PEOPLE = 20
PAGES = 10  # open ones of each
STEPS = 20  # of progress
LIMIT_MS = 1_000


def main() -> None:
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as served:
        people = [Visitor(served, f"person{number}@example.com") for number in range(PEOPLE)]
        services = open_services(load({"DATA_DIR": name, "MODEL": "spleeter-2stems"}))
        try:
            separation = prepare(services, [f"person{number}@example.com" for number in range(PEOPLE)])
            delays = delivery_times(services, people, separation)
        finally:
            services.close()
        polled = poll(people)
    print_table(TIMES_HEADER, [times("until a page is sent it", delays), times("one page polls", polled)])
    print(f"all {PEOPLE * PAGES} pages polling once, one after another: {sum(polled) / 1000:.1f} s")
    late = percentile(delays, 95)
    sys.exit(0 if late < LIMIT_MS else f"the 95th percentile is {late:.0f} ms, more than {LIMIT_MS}")


def prepare(services: Services, emails: Sequence[str]) -> Separation:
    """One song that is being separated, and that everybody waits for."""
    now = services.clock()
    song_id = song_id_of("benchmark")
    asked = services.separations.request(song_id, "spleeter-2stems")
    song = services.catalogue.songs.save(_song(services, song_id, asked.id, _person_id(services, emails[0])))
    for email in emails:
        incoming = services.uploads.incoming()
        incoming.write(email.encode())
        upload = services.uploads.receive(_person_id(services, email), "song.mp3", incoming, Tags())
        services.catalogue.uploads.save(upload.joined(song.id, None, now))
    begun = services.separations.begin(asked.id, asked.attempt, "CPU")
    assert begun
    services.flush()
    return begun[0]


def delivery_times(services: Services, people: Sequence[Visitor], separation: Separation) -> list[float]:
    """Milliseconds from each step of progress to each page that is sent it."""
    pages = [open_page(person) for person in people for _ in range(PAGES)]
    delays: list[float] = []
    with selectors.DefaultSelector() as selector:
        for page in pages:
            selector.register(page, selectors.EVENT_READ)
        wait_for(selector, pages, b'"separating"')
        for step in range(1, STEPS + 1):
            began = perf_counter()
            services.separations.report_progress(separation.id, 1, progress=step / 100, seconds_left=step, device="CPU")
            delays += wait_for(selector, pages, b"event: upload", began)
    for page in pages:
        page.close()
    return delays


def wait_for(
    selector: selectors.BaseSelector, pages: Sequence[socket.socket], what: bytes, began: float = 0.0
) -> list[float]:
    """When `what` came to each of the pages, in milliseconds since `began`."""
    came: dict[object, float] = {}
    while len(came) < len(pages):
        ready = selector.select(30)
        assert ready, f"only {len(came)} of {len(pages)} pages were sent it"
        for key, _ in ready:
            if what in key.fileobj.recv(65536):  # type: ignore[union-attr]
                came.setdefault(key.fileobj, (perf_counter() - began) * 1000)
    return list(came.values())


def open_page(person: Visitor) -> socket.socket:
    page = socket.create_connection(("127.0.0.1", person.served.port))
    page.sendall(f"GET /live HTTP/1.1\r\nHost: x\r\nCookie: {person.cookie}\r\n\r\n".encode())
    return page


def poll(people: Sequence[Visitor]) -> list[float]:
    return [milliseconds(partial(_rows, person.served, person.headers)) for person in people for _ in range(PAGES)]


def _rows(served: Served, headers: Mapping[str, str]) -> None:
    with closing(served.connection()) as connection:
        connection.request("GET", "/uploads/rows", headers=dict(headers))
        assert connection.getresponse().status == 200


def _person_id(services: Services, email: str) -> str:
    person = services.accounts.authenticate(email, "correct horse battery")
    assert person
    return person.id


def _song(services: Services, song_id: str, separation_id: str, person_id: str) -> Song:
    return Song(
        id=song_id,
        owner_id=person_id,
        tags=Tags(title="Benchmark"),
        duration=240.0,
        sha256="benchmark",
        fingerprint=b"",
        audio_key="uploads/benchmark",
        cover_key="",
        created_at=services.clock(),
        updated_at=services.clock(),
        separation_id=separation_id,
    )


if __name__ == "__main__":
    main()
