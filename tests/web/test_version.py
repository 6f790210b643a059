from importlib.metadata import version

import demixer
from tests.web.visiting import Browser

ASKS_FOR_JSON = {"Accept": "application/json"}


def test_health_tells_the_version_to_who_asks_for_json(browser: Browser) -> None:
    response = browser.get("/healthz", headers=ASKS_FOR_JSON)
    assert response.json == {"status": "ok", "version": version("isolaatti-demixer")}
    assert response.headers["Cache-Control"] == "no-store"


def test_probes_get_a_plain_ok(browser: Browser) -> None:
    for accept in ("", "*/*", "text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"):
        response = browser.get("/healthz", headers={"Accept": accept})
        assert (response.text, response.mimetype) == ("ok", "text/plain")


def test_no_page_shows_the_version(browser: Browser) -> None:
    assert demixer.__version__ not in browser.get("/").text
