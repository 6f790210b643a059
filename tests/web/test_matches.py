"""`POST /api/v1/matches`: what is known is proposed, and whatever is wrong with a print ends in a stated way."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from flask import Flask

from demixer.domain import Person, Song, SongState
from demixer.recognition.fingerprint import Fingerprint
from demixer.wiring import Services
from tests.web.visiting import Answer, Browser, a_ready_song, a_song, problem
from tests.wired import Clock, published
from web.http import fingerprints
from web.http.rate_limits import LOOKUPS_AT_ONCE

PATH = "/api/v1/matches"
COUNT = 1_000  # items: 126 s
SECONDS = (COUNT + fingerprints.EDGE_ITEMS) * fingerprints.ITEM_SECONDS
MOST = round(20 * 60 / fingerprints.ITEM_SECONDS)  # of MAX_MINUTES


def items(seed: int = 1, count: int = COUNT) -> list[int]:
    return [int(each) for each in np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint32)]


def asked(seed: int = 1, **changes: object) -> dict[str, object]:
    return {"duration": SECONDS, "fingerprint": items(seed), **changes}


def printed(services: Services, song: Song, seed: int = 1, seconds: float = SECONDS) -> Song:
    """The song, with a fingerprint that is looked up by."""
    stored = Fingerprint(np.array(items(seed), dtype=np.uint32), seconds).to_bytes()
    services.fingerprints.add(song.id, stored)
    return services.catalogue.songs.save(replace(song, fingerprint=stored, duration=seconds))


class Asker:
    """A program with a token."""

    def __init__(self, app: Flask, token: str) -> None:
        self._client, self._headers = app.test_client(), {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, body: object, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return cast(Answer, self._client.post(PATH, data=data, headers={**self._headers, **headers}))

    def song(self, body: Mapping[str, object]) -> Any:
        answer = self.ask(body)
        assert answer.status_code == 200, answer.text
        assert set(answer.json) == {"song"}
        return answer.json["song"]


@pytest.fixture
def asker(app: Flask, services: Services, ana: Person) -> Asker:
    return Asker(app, services.accounts.create_token(ana.email, services.clock()))


@pytest.fixture
def known(services: Services, ana: Person) -> Song:
    return printed(services, a_ready_song(services, ana))


def test_a_known_song_is_answered_as_everybody_may_see_it(asker: Asker, browser: Browser, known: Song) -> None:
    assert asker.song(asked()) == browser.get(f"/api/v1/songs/{known.id}").json


def test_an_unknown_recording_has_no_song(asker: Asker, known: Song) -> None:
    assert asker.song(asked(2)) is None


def test_it_is_found_by_the_half_hop_variant_alone(asker: Asker, known: Song) -> None:
    assert asker.song(asked(2, shifted=items(1)))["id"] == known.id


def test_a_few_wrong_bits_do_not_matter_and_many_do(asker: Asker, known: Song) -> None:
    noise = np.random.default_rng(3).random((COUNT, 32))
    for share, found in ((0.02, True), (0.3, False)):
        flips = np.packbits(noise < share, axis=1).view(">u4").ravel()
        song = asker.song(asked(fingerprint=[each ^ int(flip) for each, flip in zip(items(), flips, strict=True)]))
        assert (song is not None) is found


def test_what_not_everybody_may_see_never_shows(asker: Asker, services: Services, ana: Person) -> None:
    unlisted = printed(services, a_song(services, ana))
    assert asker.song(asked()) is None
    listed = services.catalogue.songs.save(replace(unlisted, state=SongState.ACTIVE))
    assert asker.song(asked())["id"] == unlisted.id
    services.catalogue.songs.save(replace(listed, state=SongState.WITHDRAWN))
    assert asker.song(asked()) is None


def test_one_that_may_not_be_seen_does_not_hide_one_that_may(asker: Asker, services: Services, ana: Person) -> None:
    printed(services, a_song(services, ana, "Unlisted"))
    shown = printed(services, a_ready_song(services, ana, "Listed"))
    assert asker.song(asked())["id"] == shown.id


def test_asking_changes_nothing(asker: Asker, services: Services, ana: Person, known: Song) -> None:
    services.flush()
    before = [event.id for event in published(services)]
    assert asker.song(asked())
    assert asker.song(asked(2)) is None
    assert [event.id for event in published(services)] == before
    assert services.catalogue.songs.get(known.id) == known
    assert not services.catalogue.uploads.of_person(ana.id, limit=1)
    assert len(services.catalogue.songs.list_visible(order="newest", limit=9, offset=0)) == 1


# --- who may ask ----------------------------------------------------------------------------------------------------


def test_strangers_and_unknown_tokens_are_not_answered(app: Flask, known: Song) -> None:
    for token, code in (("", "not-signed-in"), ("nobodys", "bad-token")):
        answer = Asker(app, token).ask(asked())
        assert (answer.status_code, problem(answer)["code"]) == (401, code)


def test_a_page_asks_with_its_session_and_its_csrf_token(browser: Browser, ana: Person, known: Song) -> None:
    body = json.dumps(asked())
    sent = {"data": body, "headers": {"X-CSRFToken": browser.token()}}
    assert cast(Answer, browser.client.post(PATH, **sent)).json["song"]["id"] == known.id
    for token in ({}, {"X-CSRFToken": "guessed"}):
        refused = browser.client.post(PATH, data=body, headers=token)
        assert (refused.status_code, problem(refused)["code"]) == (400, "csrf")


def test_nobody_asks_without_end(asker: Asker, app: Flask, services: Services, clock: Clock, known: Song) -> None:
    small = {"duration": 1.0, "fingerprint": [1]}
    for _ in range(LOOKUPS_AT_ONCE):
        assert asker.ask(small).status_code in (200, 422)  # what is refused counts too
    refused = asker.ask(asked())
    assert (refused.status_code, problem(refused)["code"]) == (429, "too-many-attempts")
    assert refused.headers["Retry-After"] == "1"
    services.accounts.create("bea@example.com", "correct horse battery", "Bea", services.clock())
    other = Asker(app, services.accounts.create_token("bea@example.com", services.clock()))
    assert other.song(asked())["id"] == known.id
    clock.advance(1.5)
    assert asker.song(asked())["id"] == known.id
    assert asker.ask(asked()).status_code == 429


# --- what is no print -----------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[object, int, str]] = {
    "nothing": (b"", 400, "bad-request"),
    "no JSON": (b"fingerprint=1,2,3", 400, "bad-request"),
    "not in any encoding": (b"\xff\xfe\xfd", 400, "bad-request"),
    "a depth that no parser likes": (b"[" * 50_000, 400, "bad-request"),
    "an integer of 5,000 digits": (b'{"duration": ' + b"9" * 5_000 + b"}", 400, "bad-request"),
    "no object": ([1, 2, 3], 422, "bad-print"),
    "no fingerprint": ({"duration": SECONDS}, 422, "bad-print"),
    "no duration": ({"fingerprint": items()}, 422, "bad-print"),
    "the second phase alone": ({"duration": SECONDS, "shifted": items()}, 422, "bad-print"),
    "no items": (asked(fingerprint=[]), 422, "bad-print"),
    "no list": (asked(fingerprint="AQAAO1GSKFI"), 422, "bad-print"),
    "an object of items": (asked(fingerprint={"0": 1}), 422, "bad-print"),
    "null": (asked(fingerprint=None), 422, "bad-print"),
    "a second phase of null": (asked(shifted=None), 422, "bad-print"),
    "negative numbers": (asked(fingerprint=[each - (1 << 31) for each in items()]), 422, "bad-print"),
    "one negative number": (asked(fingerprint=[*items()[1:], -1]), 422, "bad-print"),
    "one of 33 bits": (asked(fingerprint=[*items()[1:], 1 << 32]), 422, "bad-print"),
    "one of 300 digits": (asked(fingerprint=[*items()[1:], 10**300]), 422, "bad-print"),
    "floats": (asked(fingerprint=[float(each) for each in items()]), 422, "bad-print"),
    "what is no number": (asked(fingerprint=[*items()[1:], float("nan")]), 422, "bad-print"),
    "booleans": (asked(fingerprint=[True] * COUNT), 422, "bad-print"),
    "texts": (asked(fingerprint=[str(each) for each in items()]), 422, "bad-print"),
    "lists": (asked(fingerprint=[[each] for each in items()]), 422, "bad-print"),
    "a bad second phase": (asked(shifted=[-1] * COUNT), 422, "bad-print"),
    "a duration of true": (asked(duration=True), 422, "bad-print"),
    "a duration in words": (asked(duration="2:06"), 422, "bad-print"),
    "a duration of nothing": (asked(duration=0), 422, "bad-print"),
    "a negative duration": (asked(duration=-SECONDS), 422, "bad-print"),
    "a duration that is no number": (asked(duration=float("nan")), 422, "bad-print"),
    "an endless duration": (asked(duration=float("inf")), 422, "bad-print"),
    "a duration of 300 digits": (asked(duration=10**300), 422, "bad-print"),
    "a duration of 1,000 digits": (asked(duration=10**1000), 422, "bad-print"),
    "a longer duration": (asked(duration=SECONDS + 3.1), 422, "print-duration"),
    "a shorter duration": (asked(duration=SECONDS - 3.1), 422, "print-duration"),
    "a second phase of another duration": (asked(shifted=items(count=500)), 422, "print-duration"),
    "more than the longest song": (asked(fingerprint=items(count=MOST + 1)), 413, "print-too-long"),
    "a longer second phase": (asked(shifted=items(count=MOST + 1)), 413, "print-too-long"),
    "more bytes than two of the longest": (b" " * (MOST * 24 + 1025), 413, "print-too-long"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_fingerprint_is_refused_with_a_code_and_matches_nothing(asker: Asker, known: Song, name: str) -> None:
    body, status, code = WRONG[name]
    answer = asker.ask(body)
    body = problem(answer)
    assert (answer.status_code, body["code"]) == (status, code)
    assert "song" not in body


def test_ten_million_integers_are_refused_before_they_are_read(asker: Asker, known: Song) -> None:
    body = b'{"duration": 1, "fingerprint": [' + b"1234567890," * 10_000_000 + b"1]}"
    assert problem(asker.ask(body))["code"] == "print-too-long"


def test_a_body_that_does_not_say_its_length_is_not_read_to_the_end(app: Flask, asker: Asker) -> None:
    class Endless:
        given = 0

        def read(self, size: int = -1) -> bytes:
            Endless.given += size
            assert Endless.given < 64 * MOST, "it reads for ever"
            return b"1" * size

    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    environment = {"wsgi.input": Endless(), **chunked}
    answer = app.test_client().post(PATH, headers=asker._headers, environ_overrides=environment)
    assert problem(answer)["code"] == "print-too-long"


def test_the_longest_song_may_be_asked_for(asker: Asker) -> None:
    longest = items(count=MOST - fingerprints.EDGE_ITEMS)
    assert asker.song({"duration": 20 * 60, "fingerprint": longest, "shifted": longest}) is None


def test_silence_is_no_song_though_silence_is_here(asker: Asker, services: Services, ana: Person) -> None:
    silent = [627_964_279] * COUNT
    stored = Fingerprint(np.array(silent, dtype=np.uint32), SECONDS).to_bytes()
    song = a_ready_song(services, ana)
    services.fingerprints.add(song.id, stored)
    services.catalogue.songs.save(replace(song, fingerprint=stored))
    assert asker.song(asked(fingerprint=silent)) is None


def test_a_few_seconds_of_a_song_are_not_that_song(asker: Asker, known: Song) -> None:
    few = items()[:100]
    assert asker.song({"duration": 120 * fingerprints.ITEM_SECONDS, "fingerprint": few}) is None


def test_a_problem_is_in_the_persons_language(asker: Asker) -> None:
    detail = problem(asker.ask({"duration": 5}, **{"Accept-Language": "es"}))["detail"]
    assert detail.startswith("Esto no es una huella")


LIBRARIES = {"acoustid", "chromaprint"}  # only who looks names up has them


def test_libchromaprint_is_not_even_there(asker: Asker, known: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBRARIES:  # that another test in this process has imported
        monkeypatch.delitem(sys.modules, name, raising=False)
    asker.song(asked())
    assert not LIBRARIES & set(sys.modules)


def test_the_web_server_begins_without_it() -> None:
    code = (
        f"import sys, web.app, web.http.fingerprints, web.views.songs; sys.exit(bool({LIBRARIES} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
