"""An event: a fact that happened, with its envelope."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact that happened: `type` such as `upload.received`, `subject` the id it is about, `data` by its schema."""

    id: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    version: int = 1
