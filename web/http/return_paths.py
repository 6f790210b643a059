"""Where a person goes after a form: only ever to a page of this site."""

from urllib.parse import urlsplit

from flask import request, url_for

from web.presentation.text import without_control_characters


def next_path(default: str | None = None) -> str:
    """The `next` of the form or the query if it is a path of this site, else `default`, else the start page."""
    asked = request.values.get("next", "")
    return asked if _is_local_path(asked) else url_for("pages.home") if default is None else default


def previous_path(default: str) -> str:
    """The page of this site that the form was on, or `default`."""
    referrer = urlsplit(request.referrer or "")
    path = referrer.path + (f"?{referrer.query}" if referrer.query else "")
    return path if referrer.netloc == request.host and _is_local_path(path) else default


def _is_local_path(path: str) -> bool:
    """Browsers read `//host`, `/\\host` and paths with control characters as other sites."""
    plain = without_control_characters(path) == path and "\\" not in path
    return plain and path.startswith("/") and not path.startswith("//")
