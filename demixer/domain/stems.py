"""The stems: what each is called, in which order they are listed, and how they look.

This is the only table of them. `tests/unit/test_tables.py` compares it with the style sheet and the icons.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from demixer.domain.messages import N_


@dataclass(frozen=True, slots=True)
class StemInfo:
    name: str  # in file names, addresses, events and style classes
    label: str  # in English, marked for translation
    light: str  # its colour on a light page, as CSS has it
    dark: str  # its colour on a dark page
    icon: str  # the id of its symbol in `web/static/icons.svg`


STEMS: Mapping[str, StemInfo] = {  # in the order in which they are listed
    stem.name: stem
    for stem in (
        StemInfo("vocals", N_("Vocals"), "#d4452c", "#ff7759", "vocals"),
        StemInfo("drums", N_("Drums"), "#a96f00", "#f2b53a", "drums"),
        StemInfo("bass", N_("Bass"), "#3454cf", "#86a2ff", "bass"),
        StemInfo("guitar", N_("Guitar"), "#a8327e", "#f28acb", "guitar"),
        StemInfo("piano", N_("Piano"), "#0d7685", "#4fc9d8", "piano"),
        StemInfo("other", N_("Other"), "#26794b", "#62cd90", "other"),
        StemInfo("accompaniment", N_("Accompaniment"), "#5a49b8", "#ab9dff", "accompaniment"),
    )
}


def stem_info(name: str) -> StemInfo:
    """The row of a stem. One that only a model of one's own makes is labelled by its name, in the colour of text."""
    neutral = StemInfo(name, name.replace("_", " ").capitalize(), "", "", "other")
    return STEMS.get(name, neutral)


def list_position(name: str) -> int:
    """Sorts stems into the order in which they are listed; those that the table does not have come last."""
    return list(STEMS).index(name) if name in STEMS else len(STEMS)
