from pathlib import Path
from typing import Any

import pytest

from demixer.services import file_analyser


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded for an analysis, one entry a decode."""
    paths: list[Path] = []
    examine = file_analyser.examine

    def counting(path: Path, **options: Any) -> Any:
        paths.append(path)
        return examine(path, **options)

    monkeypatch.setattr(file_analyser, "examine", counting)
    return paths
