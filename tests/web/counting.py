"""A catalogue that counts its queries."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from demixer.ports import Catalogue
from demixer.wiring import Services, build_services

REPOSITORIES = ("uploads", "songs", "separations", "libraries", "analyses", "workers", "outbox")


class CountingCatalogue:
    """Passes every call on to the repositories of `wrapped`. `calls` counts them by `repository.method`."""

    def __init__(self, wrapped: Catalogue) -> None:
        self._wrapped = wrapped
        self.calls: Counter[str] = Counter()
        for name in REPOSITORIES:
            setattr(self, name, _Repository(getattr(wrapped, name), name, self.calls))

    def close(self) -> None:
        self._wrapped.close()

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The calls inside the block."""
        before, inside = self.calls.copy(), Counter[str]()
        yield inside
        inside.update(self.calls - before)


class _Repository:
    def __init__(self, wrapped: object, name: str, calls: Counter[str]) -> None:
        self._wrapped, self._name, self._calls = wrapped, name, calls

    def __getattr__(self, method: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._wrapped, method)

        def call(*args: Any, **named: Any) -> Any:
            self._calls[f"{self._name}.{method}"] += 1
            return found(*args, **named)

        return call


def counting(services: Services) -> tuple[Services, CountingCatalogue]:
    """The same services over a catalogue that counts."""
    catalogue = CountingCatalogue(services.catalogue)
    return build_services(replace(services.adapters, catalogue=cast(Catalogue, catalogue))), catalogue
