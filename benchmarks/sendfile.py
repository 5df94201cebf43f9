"""A process that sends a whole log as one frame, with `sendfile`: `sendfile.py PORT DIRECTORY`.

It does no more than the kernel asks for. A client asks as it asks us, for one log at a time.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from .handshake import shake_hands


def main() -> None:
    """Serve one client after the other."""
    directory = Path(sys.argv[2])
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            sock, _ = listener.accept()
            with sock:
                if shake_hands(sock):
                    _serve(sock, directory)


def _serve(sock: socket.socket, directory: Path) -> None:
    while header := sock.recv(2, socket.MSG_WAITALL):
        length = header[1] & 0x7F
        if length == 126:
            length = int.from_bytes(sock.recv(2, socket.MSG_WAITALL))
        command = json.loads(sock.recv(4 + length, socket.MSG_WAITALL)[4:])  # masked with zeros
        with (directory / f"{command['sessionName']}.out").open("rb") as file:
            sock.sendall(b"\x81\x7f" + os.fstat(file.fileno()).st_size.to_bytes(8))
            sock.sendfile(file)


if __name__ == "__main__":
    main()
