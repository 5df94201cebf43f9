"""Tests of where settings come from."""

from pathlib import Path

import pytest

from logstream.config import ConfigurationError, Settings, bind_address


def test_defaults() -> None:
    """Without any setting, logs are where saga writes them."""
    assert Settings.load({}, {}) == Settings("/tmp/saga-sessions", ".out")


def test_sagas_own_variable_moves_the_default() -> None:
    """SAGA_SESSION_DIR is the default directory where it is set and not empty."""
    assert Settings.load({}, {"SAGA_SESSION_DIR": "/srv/saga"}).directory == "/srv/saga"
    assert Settings.load({}, {"SAGA_SESSION_DIR": ""}).directory == "/tmp/saga-sessions"


def test_config_goes_before_the_environment_and_both_before_the_default(tmp_path: Path) -> None:
    """A Flask config key wins, also as a path object; a variable of the same name comes next."""
    environ = {"SAGA_SESSION_DIR": "/a", "LOGSTREAM_DIRECTORY": "/b", "LOGSTREAM_SUFFIX": ".log"}
    assert Settings.load({}, environ) == Settings("/b", ".log")
    config = {"LOGSTREAM_DIRECTORY": tmp_path, "LOGSTREAM_SUFFIX": ""}
    assert Settings.load(config, environ) == Settings(str(tmp_path), "")


@pytest.mark.parametrize(
    "config",
    [
        {"LOGSTREAM_DIRECTORY": ""},
        {"LOGSTREAM_DIRECTORY": 7},
        {"LOGSTREAM_DIRECTORY": "/etc/passwd"},
        {"LOGSTREAM_SUFFIX": "/out"},
        {"LOGSTREAM_SUFFIX": "\0"},
        {"LOGSTREAM_SUFFIX": 7},
    ],
)
def test_nonsense_is_refused_by_name(config: dict[str, object]) -> None:
    """A setting that makes no sense is named, with the value that was wrong."""
    [(key, value)] = config.items()
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(config, {})
    assert key in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, "127.0.0.1:8000"),
        ({"PORT": "5000"}, "0.0.0.0:5000"),
        ({"PORT": "5000", "LOGSTREAM_BIND": "127.0.0.1:9000"}, "127.0.0.1:9000"),
        ({"LOGSTREAM_BIND": "[::1]:9000"}, "[::1]:9000"),
        ({"LOGSTREAM_BIND": "unix:/run/logstream.sock"}, "unix:/run/logstream.sock"),
    ],
)
def test_the_address_to_bind(environ: dict[str, str], address: str) -> None:
    """LOGSTREAM_BIND, else every interface at PORT, else loopback."""
    assert bind_address(environ) == address


@pytest.mark.parametrize(
    "environ",
    [{"PORT": "x"}, {"PORT": "65536"}, {"LOGSTREAM_BIND": "9000"}, {"LOGSTREAM_BIND": "host:"}]
    + [{"LOGSTREAM_BIND": ":80"}, {"LOGSTREAM_BIND": "host:-1"}],
)
def test_a_bad_address_is_refused_by_name(environ: dict[str, str]) -> None:
    """What cannot be bound is named, with its value."""
    with pytest.raises(ConfigurationError) as caught:
        bind_address(environ)
    assert next(iter(environ)) in str(caught.value)
