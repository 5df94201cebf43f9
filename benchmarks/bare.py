"""A process that sends what a file grew by to all who are connected: `bare.py PORT FILE`.

It does no more than the kernel asks for: no session, no encoding, one thread. Its clients must keep up.
"""

from __future__ import annotations

import os
import socket
import sys

from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask

from .handshake import shake_hands

_MESSAGE = b'{"type":"logs:data","sessionName":"log","data":"%b","isInitial":false,"isComplete":false}'


class _Loop:
    def __init__(self, path: str) -> None:
        self.sockets: list[socket.socket] = []
        self._file = os.open(path, os.O_RDONLY)
        self._offset = 0

    def on_event(self, _event: object) -> None:
        data = os.pread(self._file, 65536, self._offset)
        self._offset += len(data)
        if data:
            data = _MESSAGE % data.replace(b"\n", b"\\n")  # as many bytes as ours are
            frame = b"\x81\x7e" + len(data).to_bytes(2) + data
            for sock in self.sockets:
                sock.send(frame)

    def on_watch_deleted(self, _wd: object) -> None:
        pass

    def on_queue_overflow(self) -> None:
        pass


def main() -> None:
    """Accept, shake hands, and let watchdog's thread send."""
    loop = _Loop(sys.argv[2])
    inotify = InotifyFD()
    inotify.start()
    inotify.add_callback(sys.argv[2].encode(), Mask(InotifyConstants.IN_MODIFY), loop, 1)  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=600) as listener:
        while True:
            sock, _ = listener.accept()
            if shake_hands(sock):
                loop.sockets.append(sock)


if __name__ == "__main__":
    main()
