"""`demixer check`: every engine opened and asked something, the tools, the disk, the model; findings with hints."""

import platform
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from demixer import wiring
from demixer.audio import ffmpeg, sandbox
from demixer.domain import Song
from demixer.domain.errors import ConfigurationError, DemixerError
from demixer.domain.messages import sentence
from demixer.ports import Files
from demixer.recognition import similarity
from demixer.recognition.fingerprint import Fingerprint
from demixer.runtime.settings import Settings, load, without_password
from demixer.separation import diagnostics
from demixer.separation.diagnostics import Diagnostic

LITTLE_BYTES = 2 * 1024**3  # an upload of 200 MB, its stems, and the spool of a separation in between


def of_environment() -> Iterator[Diagnostic]:
    """`findings` for the settings in force; a wrong one is the only finding."""
    try:
        settings = load()
    except ConfigurationError as error:
        yield Diagnostic(False, sentence(error.code, error.params))
        return
    yield from findings(settings)


def findings(settings: Settings) -> Iterator[Diagnostic]:
    """As they are found; the model comes last, since it takes seconds. Raises nothing that can be foreseen."""
    yield Diagnostic(True, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    writable = _data_dir(settings)
    yield writable
    yield _ffmpeg()
    if writable.ok:
        yield from _what_is_kept(settings)
    yield from diagnostics.findings(settings)


def _what_is_kept(settings: Settings) -> Iterator[Diagnostic]:
    yield _disk(settings)
    for engine in _engines(settings):
        yield engine()
    yield _newest_is_found(settings)
    yield _dead_letters(settings)


def _data_dir(settings: Settings) -> Diagnostic:
    probe = settings.data_dir / f".check-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Diagnostic(False, f"DATA_DIR {settings.data_dir} cannot be written: {error.strerror}", "check its owner")
    return Diagnostic(True, f"DATA_DIR is {settings.data_dir}")


def _disk(settings: Settings) -> Diagnostic:
    free = shutil.disk_usage(settings.data_dir).free
    amount = f"{free / 1024**3:.1f} GB" if free >= 1024**3 else f"{free // 1024**2} MB"
    text = f"{amount} are free in DATA_DIR"
    return Diagnostic(free >= LITTLE_BYTES, text, "" if free >= LITTLE_BYTES else "make room, or name another folder")


def _ffmpeg() -> Diagnostic:
    try:
        with sandbox.Child([ffmpeg.binary(), "-version"]) as child:
            words = child.read().decode(errors="replace").split()
        return Diagnostic(words[:2] == ["ffmpeg", "version"], f"ffmpeg {' '.join(words[2:3])} at {ffmpeg.binary()}")
    except (DemixerError, OSError, RuntimeError) as error:
        return Diagnostic(False, f"ffmpeg does not run: {error}", "install imageio-ffmpeg again, which brings it")


def _engines(settings: Settings) -> Iterable[Callable[[], Diagnostic]]:
    """Opening makes and migrates what is not there yet; the question shows that it answers."""
    return (
        partial(_engine, "events", settings.events_url, wiring.open_events, lambda log: log.lag("check")),
        partial(_engine, "catalogue", settings.catalogue_url, wiring.open_catalogue, lambda it: it.songs.get("check")),
        partial(_engine, "accounts", settings.accounts_url, wiring.open_accounts, lambda it: it.get("check")),
        partial(_engine, "search", settings.search_url, wiring.open_search, lambda it: it.search("check", limit=1)),
        partial(
            _engine, "fingerprints", settings.catalogue_url, wiring.open_fingerprints, lambda it: it.remove("check")
        ),
        partial(_files, settings),
    )


def _engine(name: str, url: str, open_: Callable[[str], Any], ask: Callable[[Any], object]) -> Diagnostic:
    try:
        with closing(open_(url)) as engine:
            ask(engine)
    except DemixerError as error:
        return _broken(name, url, error)
    return Diagnostic(True, f"{name} at {without_password(url)}")


def _newest_is_found(settings: Settings) -> Diagnostic:
    """An index that was lost is made anew, empty, and would let every known song be separated again."""
    try:
        with (
            closing(wiring.open_catalogue(settings.catalogue_url)) as catalogue,
            closing(wiring.open_fingerprints(settings.catalogue_url)) as fingerprints,
        ):
            newest = [song for song in catalogue.songs.list_visible(order="newest", limit=50) if _telling(song)][:1]
            lost = [song for song in newest if song.id not in fingerprints.candidates([song.fingerprint])]
    except DemixerError as error:
        return _broken("fingerprints", settings.catalogue_url, error)
    if lost:
        hint = "the fingerprint index lacks songs: demixer reindex --fingerprints makes it anew"
        return Diagnostic(False, f"song {lost[0].id} is not found by its fingerprint", hint)
    return Diagnostic(True, "the newest song is found by its fingerprint" if newest else "no song to look up yet")


def _telling(song: Song) -> bool:
    return bool(song.fingerprint) and similarity.is_distinctive(Fingerprint.from_bytes(song.fingerprint))


def _files(settings: Settings) -> Diagnostic:
    try:
        _write_and_remove(wiring.open_files(settings.files_url, settings.files_public_url))
    except DemixerError as error:
        return _broken("files", settings.files_url, error)
    return Diagnostic(True, f"files at {without_password(settings.files_url)}")


def _write_and_remove(files: Files) -> None:
    key = f"check/{uuid.uuid4().hex}"
    writer = files.writer(key)
    try:
        writer.write(b"check")
        writer.commit()
    finally:
        writer.abort()
        files.delete(key)


def _broken(name: str, url: str, error: DemixerError) -> Diagnostic:
    """With what the engine itself said, where it said anything."""
    said = str(error.__cause__ or "").replace(url, without_password(url))
    return Diagnostic(False, f"{name} at {without_password(url)}: {sentence(error.code, error.params)}", said)


def _dead_letters(settings: Settings) -> Diagnostic:
    from consumers.framework import dead_letters

    try:
        with closing(wiring.open_events(settings.events_url)) as log:
            count = len(dead_letters.waiting(log))
    except DemixerError as error:
        return _broken("dead letters", settings.events_url, error)
    return Diagnostic(True, f"{count} dead letters", "look at them with demixer dead-letters list" if count else "")
