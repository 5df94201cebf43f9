"""What hosts may do, and what they cannot: rules in Redis, checks of all that comes, TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from logstream.engine.reading import cursor_text
from logstream.fleet.words import START, Data, Done, More, Names, Read, Reply, Roll, parse

from ..serving import wait_until
from .conftest import Fleet
from .fleetparts import Dashboard, RedisServer, ShipProcess
from .test_fleet import append, copied, listed, resets

# As the documentation has them.
HOST_RULES = (
    "resetchannels &logstream:ask:{host} &logstream:log:{host}:* &logstream:to:*:{host} "
    "~logstream:sessions:{host} ~logstream:host:{host} -@all +auth +hello +ping +subscribe +publish "
    "+del +hset +hdel +expire +get +set +multi +exec"
)


def make_user(client: redis.Redis, host: str) -> None:
    """A user in Redis for a host."""
    client.execute_command("ACL", "SETUSER", host, "on", f">secret-{host}", *HOST_RULES.format(host=host).split())


def test_host_with_the_rules_ships_and_can_speak_for_no_other(fleet: Fleet) -> None:
    """The rules of the documentation are enough for a host, and let it do nothing in another one's name."""
    with fleet.redis.client() as client:
        make_user(client, "host1")
    url = f"redis://host1:secret-host1@127.0.0.1:{fleet.redis.port}"
    ship, dashboard = fleet.ship(url=url), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    append(ship.log("build"), b"two\n")
    dashboard.complete("build")
    viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
    assert viewer.texts["build"] == "one\ntwo\n"
    names = Names()
    with redis.Redis.from_url(url) as other:
        for forbidden in (
            lambda: other.publish(names.log("host2", "build"), b""),
            lambda: other.publish(names.to("dashboard", "host2"), b""),
            lambda: other.publish(names.ask("host2"), b""),
            lambda: other.set(names.host("host2"), b""),
            lambda: other.hset(names.sessions("host2"), "build", b""),
            lambda: other.get(names.sessions("host1")),
            lambda: other.keys("*"),
            lambda: other.flushall(),
            lambda: other.execute_command("PSUBSCRIBE", "*"),
            lambda: other.client_list(),
        ):
            with pytest.raises(redis.RedisError):
                forbidden()
    assert ship.stop() == 0


def test_host_without_rights_says_so(fleet: Fleet) -> None:
    """A refusal is one line for the operator, and nothing ends."""
    with fleet.redis.client() as client:
        make_user(client, "host1")
    ship = fleet.ship("host2", f"redis://host1:secret-host1@127.0.0.1:{fleet.redis.port}", await_it=False)
    wait_until(lambda: "permission" in ship.output().lower())
    assert "secret-host1" not in ship.output()
    assert "Traceback" not in ship.output()
    assert ship.stop() == 0


def test_hostile_messages_write_nothing_and_end_nothing(fleet: Fleet) -> None:
    """Names that are paths, hosts that are none, and bytes that are anything: the spool has what it had."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    outside = dashboard.directory.parent
    before = sorted(path.name for path in outside.rglob("*"))
    names = Names()
    with fleet.redis.client() as client:
        channel = names.log("host1", "build")
        for name in ("../evil", "..", "a/b", "evil\0", "/etc/evil"):
            client.publish(channel, Data(name, START, 3, b"bad").pack())
            client.publish(names.log("host1", name), Data(name, START, 3, b"bad").pack())
            client.hset(names.sessions("host1"), name, b"[3, 1.0, null, null]")
        for message in (
            b"",
            b"\xff" * 1000,
            b"{}\n",
            b'{"t": "data", "n": "build", "c": "0.00000000", "s": 3}\n' + b"x" * 300_000,
            Reply("build", 10**9, START, 3, True, True, b"bad").pack(),
            Data("other", START, 3, b"bad").pack(),
            Read("build", START, "x", 1, 0).pack(),
            b"[" * 100_000 + b"\n",
        ):
            client.publish(channel, message)
            client.publish(names.ask("host1"), message)
        client.set(names.host("../evil"), b"[1.0, 2]")
        client.set(names.host("host3"), b"\xff")
        client.hset(
            names.sessions("host3"), mapping={b"\xff": b"1", b"fine": b"nonsense", b"..": b"[1, 1.0, null, null]"}
        )
    wait_until(lambda: "build" in listed(dashboard))
    assert set(listed(dashboard)) <= {"build", "evil", "a"}
    append(ship.log("build"), b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    assert copied(dashboard, "build") == b"one\ntwo\n"
    assert sorted(path.name for path in outside.rglob("*")) == before
    assert resets(viewer, "build") == 1
    assert "Traceback" not in dashboard.output() + ship.output()


def test_another_host_s_channel_changes_no_copy(fleet: Fleet) -> None:
    """What comes by one host's channel is never taken for another's."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    names = Names()
    with fleet.redis.client() as client, client.pubsub() as asked:
        asked.subscribe(names.ask("host1"))
        dashboards: list[str] = []

        def heard() -> bool:
            found = asked.get_message(timeout=0.1)
            if found is not None and found["type"] == "message":
                said = parse(found["data"])
                dashboards.extend([said.dashboard] if isinstance(said, (Read, Roll)) else [])
            return bool(dashboards)

        wait_until(heard)
        place = cursor_text(4, b"one\n")
        for message in (Data("build", place, 8, b"bad\n"), More("build", 9), Done("build", place)):
            client.publish(names.to(dashboards[0], "host2"), message.pack())
    assert viewer.drain(0.5) == []


def test_connections_by_tls(tmp_path: Path) -> None:
    """rediss:// with the certificates named in the address carries everything, and a wrong one is refused."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls = RedisServer(
        tmp_path,
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)),
        *("--tls-auth-clients", "no"),
        tls=True,
    )
    ship = dashboard = stranger = None
    try:
        url = f"rediss://:{tls.password}@127.0.0.1:{tls.tls_port}?ssl_ca_certs={certificate}"
        ship = ShipProcess(tmp_path, "host1", url)
        ship.log("build").write_text("one\n")
        with tls.client() as client:
            wait_until(lambda: client.hexists("logstream:sessions:host1", "build"))
        dashboard = Dashboard(tmp_path / "dashboard", url)
        wait_until(lambda: dashboard.request("/sessions/build/raw")[1] == "one\n")
        stranger = ShipProcess(tmp_path, "host2", url.partition("?")[0])
        wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in stranger.output())
    finally:
        for part in (dashboard, ship, stranger):
            if part is not None:
                part.end()
        tls.end()
