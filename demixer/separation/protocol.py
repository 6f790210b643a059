"""What the two sides of the worker say to each other: one JSON object a line.

    to the child     {"type": "separate", "job", "source", "folder", "model", "models_dir", "device", "about"}
                     {"type": "stop", "job"}
    from the child   {"type": "loaded", "job", "model", "device"}
                     {"type": "progress", "job", "fraction"}
                     {"type": "done", "job", "made"}
                     {"type": "failed", "job", "error", "code", "params"}

`about` are the ids of `demixer.runtime.logs` that the lines of this job carry.

The end of the input is the end of the child: that is how it learns that its parent is gone, however that died.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from demixer.domain import Stem, errors
from demixer.domain.errors import DemixerError, SeparationFailed
from demixer.separation.separate import Made

Message = Mapping[str, Any]
TERSE, JSON = "--terse", "--json"  # on the child's command line: how it logs


def of_made(made: Made) -> dict[str, Any]:
    return dataclasses.asdict(made)


def made(fields: Mapping[str, Any]) -> Made:
    return Made(**{**fields, "stems": tuple(Stem(**stem) for stem in fields["stems"])})


def of_error(error: DemixerError) -> dict[str, Any]:
    return {"error": type(error).__name__, "code": error.code, "params": dict(error.params)}


def error(fields: Mapping[str, Any]) -> DemixerError:
    """The same class as on the other side: what a consumer does with an error follows from it."""
    found = getattr(errors, fields["error"], None)
    known = found if isinstance(found, type) and issubclass(found, DemixerError) else SeparationFailed
    return known(fields["code"], **fields["params"])
