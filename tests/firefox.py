"""Firefox, headless, as a reader of the page has it: by WebDriver BiDi, which it speaks itself."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import websocket

from .serving import PATIENCE, wait_until

NEEDS = "needs Firefox: apt-get install firefox-esr"

# Without what a new profile does for its user besides showing pages, which takes most of the time of a start.
_SETTINGS = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.cache.disk.enable": False,
    "browser.newtabpage.enabled": False,
    "browser.newtab.preload": False,
    "browser.places.importBookmarksHTML": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.sessionstore.resume_from_crash": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.ipc.processPrelaunch.enabled": False,
    "extensions.autoDisableScopes": 0,
    "extensions.enabledScopes": 0,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.http.speculative-parallel-limit": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "startup.homepage_welcome_url": "about:blank",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "data:,",
    "trailhead.firstrun.didSeeAboutWelcome": True,
}

_KEYS = {"End": "\ue010", "Home": "\ue011", "PageUp": "\ue00e", "PageDown": "\ue00f"}  # as WebDriver names them


class Firefox:
    """One window."""

    def __init__(self, profile: Path) -> None:
        """Start it, with nothing from an earlier one; skips the test where there is none."""
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if program is None:
            pytest.skip(NEEDS)
        profile.mkdir()
        settings = "".join(
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _SETTINGS.items()
        )
        (profile / "user.js").write_text(settings)
        output = profile / "output"
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"],
                stdout=file,
                stderr=file,
            )
        said = "WebDriver BiDi listening on (ws://\\S+)"
        wait_until(lambda: re.search(said, output.read_text()) or self._process.poll() is not None, 60)
        found = re.search(said, output.read_text())
        assert found, output.read_text()
        self._socket = websocket.create_connection(f"{found[1]}/session", timeout=PATIENCE, suppress_origin=True)
        self._ids = itertools.count(1)
        self.command("session.new", capabilities={})
        self._context = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def close(self) -> None:
        """End it."""
        try:
            self.command("browser.close")
        finally:
            self._socket.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def command(self, method: str, **parameters: Any) -> Any:
        """A command's result; it has to succeed."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Show a page."""
        self.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def resize(self, width: int, height: int) -> None:
        """Show pages in so many pixels."""
        self.command("browsingContext.setViewport", context=self._context, viewport={"width": width, "height": height})

    def run(self, script: str, *values: Any) -> Any:
        """What a script returns that runs in the page, or what that resolves to."""
        function = f"async function () {{ {script} }}"
        result = self.command(
            "script.callFunction",
            functionDeclaration=f"async (...values) => JSON.stringify((await ({function})(...values)) ?? null)",
            target={"context": self._context},
            arguments=[{"type": _type_of(value), "value": value} for value in values],
            awaitPromise=True,
        )
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    def wheel(self, pixels: int) -> None:
        """Turn the mouse's wheel, up where negative."""
        self._act("wheel", [{"type": "scroll", "x": 300, "y": 300, "deltaX": 0, "deltaY": pixels}])

    def press(self, key: str) -> None:
        """Press a key, and let it go."""
        value = _KEYS.get(key, key)
        self._act("key", [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}])

    def drag(self, x: float, top: float, bottom: float) -> None:
        """Drag something from one height to another."""
        at = {"type": "pointerMove", "x": round(x)}
        moves = [{**at, "y": round(top + (bottom - top) * step / 10), "duration": 10} for step in range(1, 11)]
        press = {"type": "pointerDown", "button": 0}
        self._act("pointer", [{**at, "y": round(top)}, press, *moves, {"type": "pointerUp", "button": 0}])

    def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self.command("input.performActions", context=self._context, actions=[source])


def _type_of(value: object) -> str:
    return "string" if isinstance(value, str) else "boolean" if isinstance(value, bool) else "number"
