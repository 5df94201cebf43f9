"""A WebSocket server that says what a test has it say."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

Say = Callable[[Any], None]


class ScriptedServer:
    """Has `answer(command, say)` called for each command of its clients, which `say`s messages."""

    def __init__(self, answer: Callable[[dict[str, Any], Say], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.commands: list[dict[str, Any]] = []
        self.connections = 0
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        protocol = WSConnection(ConnectionType.SERVER)

        def say(message: Any) -> None:
            text = message if isinstance(message, str) else json.dumps(message)
            sock.sendall(protocol.send(TextMessage(data=text)))

        try:
            while data := sock.recv(65536):
                protocol.receive_data(data)
                for event in protocol.events():
                    if isinstance(event, Request):
                        sock.sendall(protocol.send(AcceptConnection()))
                    elif isinstance(event, CloseConnection):
                        sock.sendall(protocol.send(event.response()))
                        return
                    elif isinstance(event, TextMessage):
                        self.commands.append(json.loads(event.data))
                        self._answer(self.commands[-1], say)
        except OSError:
            pass
        finally:
            sock.close()
