"""A fingerprint as somebody else's program sends it: read and checked before anything is done with it.

It is sent as plain numbers and not decoded by libchromaprint, whose decoder of packed ones has overflowed before.
"""

import json
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from flask import request
from werkzeug.exceptions import BadRequest

from demixer.domain import require
from demixer.domain.errors import TooLarge
from demixer.recognition.fingerprint import Fingerprint, Items
from web.http.security import limit_body

# Chromaprint works at 11,025 Hz in steps of 1365 samples; the ends of a song give no items: shared/fingerprints.md, 1.
ITEM_SECONDS = 1365 / 11_025
EDGE_ITEMS = 20
SLACK = 3.0  # seconds that duration and fingerprint may differ by; 0.3 are seen
VARIANTS = ("fingerprint", "shifted")  # alignment variants: the second begins half a hop later
NUMBER_BYTES = 12  # "4294967295, "
OTHER_BYTES = 1024
LONGEST = 1e9  # seconds; NaN is not below it either
MAX_ITEM = 0xFFFF_FFFF


def read_fingerprints(max_minutes: float) -> Sequence[Fingerprint]:
    """The alignment variants that the body holds, one or two.

    Raises `Refused` ("bad-print", "print-duration") and `TooLarge`.
    """
    most = round(max_minutes * 60 / ITEM_SECONDS)
    try:
        body = _body(len(VARIANTS) * most * NUMBER_BYTES + OTHER_BYTES)
        items = [_items(body[name], most) for name in VARIANTS if name in body]
    except TooLarge as error:
        raise TooLarge("print-too-long", max_minutes=f"{max_minutes:g}") from error
    duration = _seconds(body.get("duration"))
    require(all(abs(seconds_of(each) - duration) <= SLACK for each in items), "print-duration")
    return [Fingerprint(each, duration) for each in items]


def seconds_of(items: Items) -> float:
    """Duration of a song with so many items."""
    return (len(items) + EDGE_ITEMS) * ITEM_SECONDS


def _body(limit: int) -> dict[str, Any]:
    limit_body(limit + 1)
    data = request.get_data()
    if len(data) > limit:  # it did not say so before
        raise TooLarge
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest from error
    require(isinstance(body, dict) and VARIANTS[0] in body, "bad-print")
    return dict(body)


def _seconds(given: object) -> float:
    require(isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < LONGEST, "bad-print")
    return float(cast(float, given))


def _items(given: object, most: int) -> Items:
    require(isinstance(given, list) and bool(given), "bad-print")
    numbers = cast(list[object], given)
    if len(numbers) > most:
        raise TooLarge
    require(all(_is_item(each) for each in numbers), "bad-print")
    return np.array(numbers, dtype=np.uint32)


def _is_item(given: object) -> bool:
    return type(given) is int and 0 <= given <= MAX_ITEM
