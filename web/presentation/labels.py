"""Codes and names of the domain as texts in the reader's language."""

from collections.abc import Mapping
from typing import Any

from babel.lists import format_list
from flask_babel import get_locale, gettext

from demixer.domain import Failure, Relation, RelationType, Status
from demixer.domain.messages import MESSAGES, N_, fill
from demixer.domain.stems import stem_info
from demixer.separation.models import model_info
from demixer.services.uploads import UploadView

STATUSES: Mapping[Status, str] = {
    Status.RECEIVED: N_("Received"),
    Status.FINGERPRINTING: N_("Listening to it"),
    Status.QUEUED: N_("Waiting"),
    Status.SEPARATING: N_("Separating"),
    Status.READY: N_("Ready"),
    Status.FAILED: N_("Failed"),
    Status.CANCELLED: N_("Cancelled"),
}
RELATIONS: Mapping[RelationType, str] = {
    RelationType.MIX: N_("Another mix of this recording"),
    RelationType.EDIT: N_("Another edit of this recording"),
    RelationType.VERSION: N_("Another version"),
}


def translated(code: str, params: Mapping[str, Any]) -> str:
    """The sentence for an error code. An unknown code reads as `internal`. A `reason` is a sentence of its own."""
    reason = params.get("reason")
    filled = {**params, "reason": gettext(reason)} if reason else params
    return fill(gettext(MESSAGES.get(code, MESSAGES["internal"])), filled)


def reason(failure: Failure) -> str:
    return translated(failure.code, failure.params)


def relation_label(relation: Relation) -> str:
    """What the related song is, seen from the one that has this relation."""
    if relation.missing_stems:
        text = N_("The mix with %(stems)s") if relation.lacks_stems else N_("Without %(stems)s")
        return str(gettext(text, stems=missing_stems_label(relation)))
    return str(gettext(RELATIONS[relation.type]))


def missing_stems_label(relation: Relation) -> str:
    """“vocals and drums”, in the reader's language."""
    names = [stem_label(name).lower() for name in relation.missing_stems]
    return str(format_list(names, locale=get_locale() or "en"))


def status_label(view: UploadView) -> str:
    return str(gettext(STATUSES[view.status]))


def stem_label(name: str) -> str:
    return str(gettext(stem_info(name).label))


def model_label(name: str) -> str:
    return str(gettext(model_info(name).label))
