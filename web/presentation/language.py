"""The language of a page: the one that the person chose, else the best one that the browser accepts."""

from collections.abc import Mapping

from flask import Flask, request
from flask_babel import Babel

LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español"}
DEFAULT = "en"
COOKIE = "language"
COOKIE_SECONDS = 365 * 24 * 3600


def current_language() -> str:
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((language for language in wanted if language in LANGUAGES), DEFAULT)


def set_up(app: Flask) -> None:
    Babel(app, default_locale=DEFAULT, locale_selector=current_language)
