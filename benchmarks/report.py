"""What benchmarks print: percentiles side by side, and ratios to a baseline of the same run."""

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter

PERCENTILES = (50, 95, 99)


def milliseconds(work: Callable[[], object]) -> float:
    """How long `work` takes, once."""
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` percent of `values` are at or below (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * int(share) // 100) - 1)]


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns: the first to the left, numbers to the right."""
    cells = [[_text(value) for value in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for first, *others in cells:
        print(first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(others, widths[1:], strict=True)))


def times(name: str, taken: Sequence[float]) -> list[object]:
    """A row for `print_table` with the percentiles of `taken`, in milliseconds."""
    return [name, len(taken), *(percentile(taken, share) for share in PERCENTILES), max(taken)]


TIMES_HEADER = ("", "runs", *(f"p{share} ms" for share in PERCENTILES), "max ms")


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
