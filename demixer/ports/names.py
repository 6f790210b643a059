"""Asking elsewhere what a recording is called."""

from typing import Protocol

from demixer.domain import Tags


class NameLookup(Protocol):
    def __call__(self, fingerprint: bytes) -> Tags | None:
        """The names of a recording, by its fingerprint as `Fingerprint.to_bytes` gives it. Empty tags: it is not known
        there. None: there was no answer."""
