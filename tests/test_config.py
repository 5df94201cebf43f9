"""Tests of where settings come from."""

from pathlib import Path

import pytest

from logstream.config import ConfigurationError, Settings, as_environment, bind_address


def test_defaults() -> None:
    """Without any setting, logs are where saga writes them."""
    settings = Settings.load({}, {})
    assert (settings.directory, settings.suffix) == ("/tmp/saga-sessions", ".out")
    assert settings == Settings()
    assert settings.token is None
    assert settings.max_command == 65536


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
        {"LOGSTREAM_DIRECTORY": "/etc/passwd/below"},
        {"LOGSTREAM_ALLOWED_ORIGINS": "dashboard.example"},
        {"LOGSTREAM_ALLOWED_ORIGINS": "*"},
        {"LOGSTREAM_ALLOWED_ORIGINS": 7},
        {"LOGSTREAM_MAX_CONNECTIONS": 0},
        {"LOGSTREAM_MAX_CONNECTIONS": "many"},
        {"LOGSTREAM_MAX_SUBSCRIPTIONS": "-1"},
        {"LOGSTREAM_MAX_SUBSCRIPTIONS": 1.5},
        {"LOGSTREAM_MAX_SUBSCRIBES": True},
        {"LOGSTREAM_MAX_COMMAND": 10},
        {"LOGSTREAM_PING_INTERVAL": "nan"},
        {"LOGSTREAM_PING_INTERVAL": "inf"},
        {"LOGSTREAM_STALL_TIMEOUT": 0},
        {"LOGSTREAM_LOG_LEVEL": "loud"},
        {"LOGSTREAM_TMUX": ""},
        {"LOGSTREAM_TMUX": True},
        {"LOGSTREAM_TMUX": "on"},
        {"LOGSTREAM_LOG_LEVEL": 10},
        {"LOGSTREAM_WATCHER": "fsevents"},
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


@pytest.mark.parametrize("token", ["", "two words", "größer", "line\n", 7])
def test_a_bad_token_is_refused_and_not_shown(token: object) -> None:
    """An empty token, which would be none, and one that no header can carry stop the start; neither is printed."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"LOGSTREAM_TOKEN": token}, {})
    assert "LOGSTREAM_TOKEN" in str(caught.value)
    assert not token or str(token) not in str(caught.value)


def test_every_setting_can_be_text(tmp_path: Path) -> None:
    """What comes from the environment is understood like what an app sets."""
    environ = {
        "LOGSTREAM_DIRECTORY": str(tmp_path),
        "LOGSTREAM_SUFFIX": ".log",
        "LOGSTREAM_STATE": str(tmp_path / "state"),
        "LOGSTREAM_TOKEN": "secret",
        "LOGSTREAM_ALLOWED_ORIGINS": "http://a.example, https://B.example:8443/,",
        "LOGSTREAM_MAX_CONNECTIONS": "1",
        "LOGSTREAM_MAX_SUBSCRIPTIONS": "2",
        "LOGSTREAM_MAX_SUBSCRIBES": "3",
        "LOGSTREAM_MAX_COMMAND": "4096",
        "LOGSTREAM_PING_INTERVAL": "5.5",
        "LOGSTREAM_STALL_TIMEOUT": "6",
        "LOGSTREAM_RECHECK": "7",
        "LOGSTREAM_TMUX": "off",
        "LOGSTREAM_LOG_LEVEL": "debug",
    }
    origins = frozenset({("http", "a.example", 80), ("https", "b.example", 8443)})
    expected = Settings(
        *(
            str(tmp_path),
            ".log",
            str(tmp_path / "state"),
            "secret",
            origins,
            1,
            2,
            3,
            4096,
            5.5,
            6.0,
            7.0,
            "off",
            "DEBUG",
        )
    )
    assert Settings.load({}, environ) == expected
    assert Settings.load({"LOGSTREAM_ALLOWED_ORIGINS": ["http://a.example", "https://b.example:8443"]}, {}) == Settings(
        allowed_origins=origins
    )


def test_a_key_that_is_no_setting_is_refused_with_a_hint() -> None:
    """A slip of the pen stops the start, in the config as in the environment, and names what may be meant."""
    for config, environ in (({}, {"LOGSTREAM_TOKNE": "x"}), ({"LOGSTREAM_TOKNE": "x"}, {})):
        with pytest.raises(ConfigurationError, match=r"LOGSTREAM_TOKNE.*did you mean LOGSTREAM_TOKEN"):
            Settings.load(config, environ)
    with pytest.raises(ConfigurationError, match=r"LOGSTREAM_ZZZ.*LOGSTREAM_DIRECTORY"):
        Settings.load({}, {"LOGSTREAM_ZZZ": ""})


def test_what_others_set_is_not_taken_for_a_setting() -> None:
    """Kubernetes names a service that is called logstream by variables of its own; LOGSTREAM_BIND is the server's."""
    environ = {
        "LOGSTREAM_SERVICE_HOST": "10.0.0.1",
        "LOGSTREAM_SERVICE_PORT": "80",
        "LOGSTREAM_SERVICE_PORT_HTTP": "80",
        "LOGSTREAM_PORT": "tcp://10.0.0.1:80",
        "LOGSTREAM_PORT_80_TCP": "tcp://10.0.0.1:80",
        "LOGSTREAM_PORT_80_TCP_ADDR": "10.0.0.1",
        "LOGSTREAM_BIND": "127.0.0.1:0",
        "LOGSTREAM_URL": "http://127.0.0.1:8000",
        "LOGS": "x",
    }
    assert Settings.load({"DEBUG": True}, environ) == Settings()


def test_a_config_can_be_an_environment(tmp_path: Path) -> None:
    """Whatever reads that has the same settings; what is none of ours, or is not set, is left out."""
    config = {
        "DEBUG": True,
        "LOGSTREAM_DIRECTORY": tmp_path,
        "LOGSTREAM_ALLOWED_ORIGINS": ["http://a.example", "https://b.example"],
        "LOGSTREAM_TOKEN": None,
        "LOGSTREAM_RECHECK": 5,
    }
    environ = as_environment(config)
    assert sorted(environ) == ["LOGSTREAM_ALLOWED_ORIGINS", "LOGSTREAM_DIRECTORY", "LOGSTREAM_RECHECK"]
    assert Settings.load({}, environ) == Settings.load(config, {})
