"""What a page needs to make fingerprints: it comes from npm's registry where npm is, and nothing breaks without it."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask

from demixer.domain import Person
from tests.web.visiting import Browser
from web.http import assets
from web.http.security import CONTENT_SECURITY_POLICY

ROOT = Path(__file__).parents[2]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of static files without anything from npm's registry."""
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    return tmp_path


def brought(packages: Path) -> None:
    for name in (assets.WORKER, assets.CHROMAPRINT):
        (packages / name).parent.mkdir(parents=True)
        (packages / name).write_bytes(b"")


@pytest.mark.parametrize("path", ["/", "/uploads"])
def test_without_chromaprint_a_page_does_not_look(browser: Browser, ana: Person, packages: Path, path: str) -> None:
    page = browser.get(path).text
    assert "data-dropzone" in page
    assert "data-printing" not in page
    assert "data-matches" not in page


@pytest.mark.parametrize("path", ["/", "/uploads"])
def test_with_it_a_page_says_where_to_ask(app: Flask, browser: Browser, ana: Person, packages: Path, path: str) -> None:
    brought(packages)
    page = browser.get(path).text
    worker = re.search(r'data-printing="([^"]+)" data-matches="/api/v1/matches" data-max-minutes="20', page)
    assert worker
    version = app.extensions["assets"]
    assert worker[1] == f"/static/{version}/js/fingerprint/worker.js"


def test_only_the_worker_may_run_webassembly(browser: Browser, ana: Person, packages: Path) -> None:
    brought(packages)
    worker = re.search(r'data-printing="([^"]+)"', browser.get("/uploads").text)
    assert worker
    with browser.get(worker[1]) as answer:
        policy = answer.headers.getlist("Content-Security-Policy")
        assert policy == ["default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"]
    for address in ("/uploads", worker[1].replace(assets.WORKER, assets.CHROMAPRINT)):
        with browser.get(address) as answer:
            assert answer.headers.getlist("Content-Security-Policy") == [CONTENT_SECURITY_POLICY]
    assert "wasm" not in CONTENT_SECURITY_POLICY
    assert "worker-src 'self'" in CONTENT_SECURITY_POLICY


def test_webassembly_is_served_as_such(browser: Browser, packages: Path) -> None:
    brought(packages)
    with browser.get(f"/static/x/{assets.CHROMAPRINT}") as answer:
        assert answer.mimetype == "application/wasm"


def test_what_comes_from_the_registry_is_locked_and_names_no_host() -> None:
    asked = json.loads((ROOT / "package.json").read_text())["dependencies"]
    lock = (ROOT / "package-lock.json").read_text()
    locked = json.loads(lock)["packages"]
    assert "://" not in lock
    for name, version in asked.items():
        assert locked[f"node_modules/{name}"]["version"] == version, "an exact version"
    assert all(package["integrity"].startswith("sha512-") for name, package in locked.items() if name)


def test_the_image_gets_what_the_pages_import() -> None:
    imported = (ROOT / "web/static/js/fingerprint/chromaprint.js").read_text()
    assert f'"../../{assets.CHROMAPRINT.replace(".wasm", ".js")}"' in imported
    target = "/src/web/static/packages"
    assert (
        f"COPY --from=browser-packages /src/node_modules/@unimusic {target}" in (ROOT / "docker/Dockerfile").read_text()
    )
    assert "/web/static/packages/" in (ROOT / ".gitignore").read_text().splitlines()
