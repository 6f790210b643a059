from pathlib import Path
from typing import Any

import pytest

from demixer.recognition.decoding import decode_and_fingerprint
from demixer.services import file_analyser


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded for an analysis, one entry a decode."""
    paths: list[Path] = []

    def counting(path: Path, **options: Any) -> Any:
        paths.append(path)
        return decode_and_fingerprint(path, **options)

    monkeypatch.setattr(file_analyser, "decode_and_fingerprint", counting)
    return paths
