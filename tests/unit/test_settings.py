import errno
import os
import stat
from pathlib import Path

import pytest

from demixer.domain.errors import ConfigurationError
from demixer.runtime.settings import load, without_password


def test_nothing_needs_to_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({})
    assert (settings.host, settings.port, settings.model, settings.device) == ("127.0.0.1", 8000, "auto", "auto")
    assert settings.data_dir == tmp_path / "data"
    assert settings.events_url == f"sqlite:///{tmp_path}/data/events.db"
    assert settings.max_upload_bytes == 200 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "80.5"),
        ("MAX_UPLOAD_MB", "0"),
        ("MAX_MINUTES", "-3"),
        ("MAX_MINUTES", "nan"),
        ("DEVICE", "tpu"),
        ("HTTPS", "maybe"),
        ("WEB_THREADS", "2"),
        ("SECRET_KEY_FILE", "/does/not/exist"),
        ("DATA_DIR", "/dev/null/data"),
        ("MODELS_DIR", "/does/not/exist"),
        ("MODELS_DIR", "/dev/null"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"DATA_DIR": str(tmp_path), name: value})
    assert caught.value.params["variable"] == name
    assert str(caught.value).startswith(f"{name}: ")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may be root, who may write anywhere
    with pytest.raises(ConfigurationError, match=f"DATA_DIR: cannot write into {tmp_path}"):
        load({"DATA_DIR": str(tmp_path)})


def test_a_secret_that_cannot_be_kept_names_the_folder_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(ConfigurationError, match=r"DATA_DIR: cannot write .*No space left"):
        load({"DATA_DIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_we_make_is_ours_alone_and_one_that_was_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    for name, mode in (("made/here", 0o700), ("shared", 0o755)):
        load({"DATA_DIR": str(tmp_path / name)})
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_the_secret_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = (load({"DATA_DIR": str(tmp_path)}) for _ in range(2))
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) == 64
    assert stat.S_IMODE(os.stat(tmp_path / "secret-key").st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    assert load({"DATA_DIR": str(tmp_path), "SECRET_KEY_FILE": str(tmp_path / "key")}).secret_key == "from a file"


def test_nobody_is_asked_for_names_unless_there_is_a_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k3y\n")
    keys = [{}, {"ACOUSTID_API_KEY": "k"}, {"ACOUSTID_API_KEY_FILE": str(tmp_path / "key")}]
    assert [load({"DATA_DIR": str(tmp_path), **each}).acoustid_api_key for each in keys] == ["", "k", "k3y"]


def test_a_variable_that_is_set_to_nothing_counts_as_not_set(tmp_path: Path) -> None:
    assert load({"DATA_DIR": str(tmp_path), "PORT": " ", "MODELS_DIR": ""}).port == 8000


def test_a_url_that_holds_a_password_may_come_from_a_file_and_is_shown_without_it(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("mongodb://demixer:s3cr&t@db:27017/demixer\n")
    settings = load({"DATA_DIR": str(tmp_path), "CATALOGUE_URL_FILE": str(tmp_path / "url")})
    assert settings.catalogue_url == "mongodb://demixer:s3cr&t@db:27017/demixer"
    assert without_password(settings.catalogue_url) == "mongodb://demixer:***@db:27017/demixer"


@pytest.mark.parametrize(
    "url", ["sqlite:////data/a.db", "mongodb://db:27017/a", "s3://bucket/folder?endpoint=http://h:1"]
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert without_password(url) == url
