"""Static files under an address with a hash of their content, so that browsers may keep them for a year.

The hash is of all files together and stands before the path: modules and style sheets name each other relatively.
"""

import hashlib
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, send_from_directory, url_for

from web.http.security import WORKER_SECURITY_POLICY

FOLDER = Path(__file__).parents[1] / "static"
MAX_AGE = 365 * 24 * 3600  # seconds
WORKER = "js/fingerprint/worker.js"  # makes fingerprints, with packages that `make install` fetches by npm
CHROMAPRINT = "packages/chromaprint/dist/chromaprint.wasm"

blueprint = Blueprint("assets", __name__)


def set_up(app: Flask) -> None:
    app.extensions["assets"] = _version()
    app.register_blueprint(blueprint)


def static_url(name: str) -> str:
    return url_for("assets.static", version=current_app.extensions["assets"], name=name)


def printing_url() -> str:
    """Of the worker that makes fingerprints in the browser; "" where the installation has none."""
    return static_url(WORKER) if (FOLDER / CHROMAPRINT).is_file() else ""


@blueprint.get("/static/<version>/<path:name>")
def static(version: str, name: str) -> Response:
    """An old version is answered with the present file, which must not be cached under that address."""
    current = version == current_app.extensions["assets"]
    response = send_from_directory(FOLDER, name, max_age=MAX_AGE if current else None)
    if current:
        response.cache_control.public = True
        response.cache_control.immutable = True
    if name == WORKER:
        response.headers["Content-Security-Policy"] = WORKER_SECURITY_POLICY
    return response


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    return send_from_directory(FOLDER, "icon.svg", max_age=24 * 3600)


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(FOLDER)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
