"""Records sessions of real tools for `tests/web/static/recordings/`: each under `script`, in a tmux pane of 100 by 30.

python -m tests.web.record_sessions [--path DIRECTORY:…] [--npm DIRECTORY] [NAME …]

`--path` says where tools are besides PATH, `--npm` where Node's packages are. A session whose tool is missing is left
as it is. It runs in namespaces of its own (as root, or where users may have those), so that no recording tells of the
machine that it was made on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

RECORDINGS = Path(__file__).parent / "static" / "recordings"
SESSIONS = Path(__file__).parent / "sessions.toml"
INDEX = RECORDINGS / "index.json"
COLUMNS, ROWS = 100, 30
HOME = Path("/tmp/session")  # in the recordings, a path like any other
LONGEST = 60.0  # seconds that a session may take after its last key


@dataclass(frozen=True)
class Session:
    """A session, as `sessions.toml` says it."""

    name: str
    tool: str
    command: str
    setup: str = ""
    keys: tuple[str, ...] = ()
    version: str = "--version"
    pause: float = 0.35  # seconds
    files: dict[str, str] = field(default_factory=dict)


def main() -> None:
    """Record the sessions that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default="")
    parser.add_argument("--npm", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    RECORDINGS.mkdir(exist_ok=True)
    index = json.loads(INDEX.read_text()) if INDEX.exists() else {}
    for entry in tomllib.loads(SESSIONS.read_text())["session"]:
        session = Session(**entry)
        if options.names and session.name not in options.names:
            continue
        made = record(session, options.path, options.npm)
        if made is None:
            print(f"{session.name}: {session.tool} is missing")
            continue
        text, version = made
        with gzip.GzipFile(RECORDINGS / f"{session.name}.out.gz", "wb", mtime=0) as file:
            file.write(text)
        index[session.name] = {"tool": session.tool, "version": version}
        INDEX.write_text(json.dumps(dict(sorted(index.items())), indent=2) + "\n")
        print(f"{session.name}: {session.tool} {version}, {len(text)} bytes")


def record(session: Session, path: str, npm: Path | None) -> tuple[bytes, str] | None:
    """The bytes that `script` has written, and the tool's version; None where there is no such tool."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    environment = {
        "HOME": str(HOME),
        "PATH": ":".join(filter(None, (path, os.environ["PATH"]))),
        "LANG": "C.UTF-8",
        "TERM": "dumb",  # tmux sets its own
        "SHELL": "/bin/bash",
        "PAGER": "less",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    version = version_of(session, environment, npm)
    if version is None:
        return None
    for name, text in session.files.items():
        (HOME / name).write_text(text)
    if npm is not None and any(name.endswith((".mjs", ".test.js")) for name in session.files):
        (HOME / "node_modules").symlink_to(npm / "node_modules")
    shell = ["bash", "-c", session.setup]
    subprocess.run(shell, cwd=HOME, env=environment, stdout=subprocess.DEVNULL, check=True)
    with tempfile.TemporaryDirectory() as directory:
        text = run(session, environment, Path(directory))
    shutil.rmtree(HOME)
    return scrubbed(text, [*path.split(":"), str(npm or "")]), version


def run(session: Session, environment: dict[str, str], directory: Path) -> bytes:
    """Run it in tmux, in namespaces where there is nothing else."""
    tmux = ["tmux", "-S", str(directory / "tmux"), "-f", "/dev/null"]
    output = directory / "out"
    command = f"cd {HOME}; exec script -qf -O {output} -c {shlex.quote(' '.join(session.command.split()))}"
    inner = (
        f"hostname box; {shlex.join(tmux)} new-session -d -x {COLUMNS} -y {ROWS} {shlex.quote(command)}; "
        f"while {shlex.join(tmux)} has-session 2>/dev/null; do sleep 0.1; done"
    )
    unshare = ["unshare", "-u", "-p", "-f", "--mount-proc", *(["-r"] if os.getuid() != 0 else [])]
    with subprocess.Popen(
        [*unshare, "sh", "-c", inner], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(1.2 + session.pause)
        for key in session.keys:
            subprocess.run([*tmux, "send-keys", key], env=environment, stderr=subprocess.DEVNULL, check=False)
            time.sleep(session.pause)
        end = time.monotonic() + LONGEST
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        if process.poll() is None:
            print(f"{session.name} did not end by itself")
            subprocess.run([*tmux, "kill-server"], env=environment, check=False)
    return output.read_bytes()


def version_of(session: Session, environment: dict[str, str], npm: Path | None) -> str | None:
    """What the tool says, or its package."""
    if npm is not None and (package := npm / "node_modules" / session.tool / "package.json").exists():
        return str(json.loads(package.read_text())["version"])
    program = shutil.which(session.tool, path=environment["PATH"])
    if program is None:
        code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
        ran = subprocess.run(
            ["python3", "-c", code, session.tool], env=environment, capture_output=True, text=True, check=False
        )
        return ran.stdout.strip() or None
    ran = subprocess.run(
        [program, session.version],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    found = re.search(r"\d+(?:\.\w+)*", ran.stdout + ran.stderr)
    return found[0] if found else ""


def scrubbed(text: bytes, directories: list[str]) -> bytes:
    """Without names of hosts and where tools are: in place of each there is a word of the same length."""
    for directory in filter(None, directories):
        text = text.replace(directory.encode(), b"/" + b"x" * (len(directory.encode()) - 1))
    return re.sub(
        rb"(?<![\w.@-])(?!example\.org)[\w-]+(\.[\w-]+)*\.(org|com|net|io)\b", lambda m: b"x" * len(m[0]), text
    )


if __name__ == "__main__":
    main()
