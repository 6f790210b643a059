"""The fingerprints of one recording by three programs: ffmpeg's muxer, libchromaprint and the WebAssembly of a browser.

    python -m benchmarks.same_bits [FILE...]

By default five real tracks, as they are and as MP3. For each file, the share of bits in which two fingerprints differ:
the server's (`demixer.recognition.decoding`), that of libchromaprint from the samples that our ffmpeg decodes, and that
of the upload page. Required: at most `LIMIT`; one recording may differ in 0.20. `apt-get install libchromaprint1`
installs the library, `make install` the WebAssembly. What is missing is left out, with a line that says so.
"""

import ctypes
import ctypes.util
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from playwright.sync_api import expect, sync_playwright

from benchmarks.browser_print import opened, site
from benchmarks.report import print_table
from demixer.recognition.fingerprint import TEST2, Fingerprint
from demixer.recognition.reference import RATE
from demixer.recognition.similarity import compare_fingerprints
from tests.browser.browsing import chromium
from tests.browser.fingerprinting import Asked, has_chromaprint, print_of, served_print
from tests.music import converted, ffmpeg, tracks

LIMIT = 0.02
TRACKS = 5
SERVER, LIBRARY, BROWSER = "ffmpeg", "libchromaprint", "browser"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        files = [Path(each) for each in sys.argv[1:]] or make_files(Path(name))
        by_program = {SERVER: [served_print(file) for file in files]}
        if has_library():
            by_program[LIBRARY] = [fingerprint_by_library(file) for file in files]
        if has_webassembly():
            by_program[BROWSER] = fingerprints_by_page(Path(name), files)
    worst = report(files, by_program)
    sys.exit(f"more than {LIMIT:g}" if worst > LIMIT else 0)


def make_files(folder: Path) -> list[Path]:
    some = tracks()[:TRACKS]
    return [*some, *(converted(track, folder / f"{track.stem}.mp3", "-b:a", "128k") for track in some)]


def report(files: Sequence[Path], fingerprints: Mapping[str, Sequence[Fingerprint]]) -> float:
    """Returns the highest share of bits in which two differ."""
    pairs = list(combinations(fingerprints, 2))
    rates = [
        [bit_error_rate(fingerprints[one][number], fingerprints[other][number]) for one, other in pairs]
        for number in range(len(files))
    ]
    rows = [(file.name, *(f"{each:.4f}" for each in row)) for file, row in zip(files, rates, strict=True)]
    print_table(("file", *map(" / ".join, pairs)), rows)
    worst = max((each for row in rates for each in row), default=0.0)
    print(f"\nat most {worst:.4f} of the bits differ")
    return worst


def bit_error_rate(one: Fingerprint, other: Fingerprint) -> float:
    """1 where the fingerprints do not begin at the same item."""
    found = compare_fingerprints(one, [other])
    return found.bit_error_rate if found.offset == 0 else 1.0


def has_library() -> bool:
    found = ctypes.util.find_library("chromaprint") is not None
    if not found:
        print("No libchromaprint: `apt-get install libchromaprint1` brings it.")
    return found


def has_webassembly() -> bool:
    if not has_chromaprint():
        print("No WebAssembly: `make install` brings it where npm is.")
    return has_chromaprint()


def library() -> ctypes.CDLL:
    found = ctypes.CDLL(ctypes.util.find_library("chromaprint"))
    found.chromaprint_new.restype = ctypes.c_void_p
    return found


def fingerprint_by_library(file: Path) -> Fingerprint:
    """Of the same samples that the muxer gets."""
    pcm = ffmpeg("-i", str(file), "-map", "0:a:0", "-ar", str(RATE), "-ac", "1", "-f", "s16le", "-")
    chromaprint = library()
    context = ctypes.c_void_p(chromaprint.chromaprint_new(TEST2))
    try:
        assert chromaprint.chromaprint_start(context, RATE, 1)
        assert chromaprint.chromaprint_feed(context, pcm, len(pcm) // 2)
        assert chromaprint.chromaprint_finish(context)
        return Fingerprint(_raw(chromaprint, context), len(pcm) / 2 / RATE)
    finally:
        chromaprint.chromaprint_free(context)


def _raw(chromaprint: ctypes.CDLL, context: ctypes.c_void_p) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint32]]":
    items, size = ctypes.POINTER(ctypes.c_uint32)(), ctypes.c_int()
    assert chromaprint.chromaprint_get_raw_fingerprint(context, ctypes.byref(items), ctypes.byref(size))
    copied = np.ctypeslib.as_array(items, (size.value,)).copy()
    chromaprint.chromaprint_dealloc(items)
    return copied


def fingerprints_by_page(folder: Path, files: Sequence[Path]) -> list[Fingerprint]:
    with sync_playwright() as playwright, site(folder / "house", files[0]) as address:
        browser = chromium(playwright)
        with opened(browser, address) as page:
            asked = Asked(page)
            for file in files:
                page.goto("/uploads")
                page.set_input_files("#file", str(file))
                expect(page.locator(".is-found")).to_be_visible(timeout=60_000)
        browser.close()
    return [print_of(each, "fingerprint") for each in asked]


if __name__ == "__main__":
    main()
