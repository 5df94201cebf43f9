"""Tests of sending to one client, on real pairs of sockets."""

import contextlib
import select
import socket
import threading
import time

import pytest

from logstream.protocol import Message, close_frame, text_frame
from logstream.web.connection import Connection, Traffic, offer_to_all

from ..serving import wait_until
from ..stopwatch import Stopwatch


def offer(connection: Connection, frame: bytes) -> bool:
    """Offer a message that is this frame."""
    return connection.offer(framed(frame))


def framed(frame: bytes) -> Message:
    """A message of which only the frame counts."""
    message = Message()
    message._frame = frame
    return message


def read_all(client: socket.socket) -> bytes:
    """Everything up to the end of the stream."""
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def fill(connection: Connection, frame: bytes) -> int:
    """Offer a frame until it is refused; how many were taken."""
    taken = 0
    while offer(connection, frame):
        taken += 1
    return taken


def test_a_frame_is_sent_without_delay(pair: tuple[Connection, socket.socket]) -> None:
    """Nagle's algorithm is off, and both ways of sending deliver."""
    connection, client = pair
    connection.send_bytes(b"\x81\x01a")
    assert offer(connection, b"\x81\x01b")
    assert client.recv(3) + client.recv(3) == b"\x81\x01a\x81\x01b"
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_offer_to_a_full_socket_is_refused_at_once(pair: tuple[Connection, socket.socket]) -> None:
    """A client that does not read costs an offer no time, and nothing of what is refused is sent."""
    connection, client = pair
    frame = text_frame(b"x" * 1000)
    taken = fill(connection, frame)
    watch = Stopwatch()
    assert not offer(connection, text_frame(b"refused"))
    assert watch.seconds() < 0.5
    assert taken > 0
    connection_end = threading.Thread(target=connection.send_bytes, args=(text_frame(b"last"),))
    connection_end.start()
    received = b""
    while not received.endswith(b"last"):
        received += client.recv(65536)
    connection_end.join()
    assert received == frame * taken + text_frame(b"last")


def test_half_a_frame_is_finished_before_anything_else(pair: tuple[Connection, socket.socket]) -> None:
    """A frame that fits only in part counts as taken; its rest goes out by itself, once there is room."""
    connection, client = pair
    large = text_frame(b"0123456789" * 1_000_000)
    assert offer(connection, large)
    assert not offer(connection, text_frame(b"refused"))
    received = b""
    while len(received) < len(large):
        received += client.recv(1 << 20)
    assert received == large
    wait_until(lambda: offer(connection, text_frame(b"next")))
    assert client.recv(100) == text_frame(b"next")


def test_frames_of_many_threads_stay_whole(pair: tuple[Connection, socket.socket]) -> None:
    """However many threads send and offer at once, the stream is a sequence of whole frames."""
    connection, client = pair
    sent: list[bytes] = []

    def work(letter: bytes) -> None:
        for number in range(50):
            frame = text_frame(letter * (100 + 37 * number))
            if offer(connection, frame):
                sent.append(frame)
            else:
                connection.send_bytes(frame)
                sent.append(frame)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    received = b""
    while any(thread.is_alive() for thread in threads) or len(received) < sum(map(len, sent)):
        if select.select([client], [], [], 0.05)[0]:
            received += client.recv(1000)
    frames = []
    while received:
        length, start = (received[1], 2) if received[1] < 126 else (int.from_bytes(received[2:4]), 4)
        frames.append(received[: start + length])
        assert len(set(frames[-1][start:])) == 1
        received = received[start + length :]
    assert sorted(frames) == sorted(sent)


def test_a_client_that_takes_nothing_is_given_up(pair: tuple[Connection, socket.socket]) -> None:
    """A blocking send ends with TimeoutError when the client has taken no byte for the stall timeout."""
    connection, client = pair
    connection._stall_timeout = 0.2
    with pytest.raises(TimeoutError):
        connection.send_bytes(text_frame(b"x" * 10_000_000))
    with pytest.raises(BrokenPipeError):
        connection.send_bytes(b"")
    assert not offer(connection, b"\x81\x00")


def test_a_slow_client_is_not_given_up(pair: tuple[Connection, socket.socket]) -> None:
    """A send may take far longer than the stall timeout as long as the client takes something."""
    connection, client = pair
    connection._stall_timeout = 0.5
    frame = text_frame(b"x" * 300_000)
    sender = threading.Thread(target=connection.send_bytes, args=(frame,))
    started = time.monotonic()
    sender.start()
    received = 0
    while received < len(frame):
        received += len(client.recv(20_000))
        threading.Event().wait(0.05)  # the client's own slowness
    sender.join()
    assert time.monotonic() - started > 0.5


def test_closing_wakes_a_blocked_sender(pair: tuple[Connection, socket.socket]) -> None:
    """A thread that is blocked in a send gets an error as soon as the connection is closed."""
    connection, client = pair
    errors: list[Exception] = []

    def send() -> None:
        try:
            connection.send_bytes(text_frame(b"x" * 10_000_000))
        except OSError as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(connection._send_lock.locked)
    connection.end_sending()
    sender.join(5)
    assert errors


def test_shut_sends_its_code_and_then_nothing(pair: tuple[Connection, socket.socket]) -> None:
    """The client reads the close frame, then the end of the stream; later frames are refused."""
    connection, client = pair
    connection.shut(1001, "going away")
    connection.shut(1011)
    assert not offer(connection, b"\x81\x00")
    with pytest.raises(BrokenPipeError):
        connection.send_bytes(b"\x81\x00")
    assert read_all(client) == close_frame(1001, "going away")


def test_shut_lets_a_sender_finish(pair: tuple[Connection, socket.socket]) -> None:
    """A thread that still holds the send lock, but is not blocked, does not cost the client its close frame."""
    connection, client = pair
    connection._send_lock.acquire()
    shutting = threading.Thread(target=connection.shut, args=(1001,))
    shutting.start()
    shutting.join(0.05)
    connection._send_lock.release()
    shutting.join()
    assert read_all(client) == close_frame(1001)


def test_shut_does_not_wait_for_a_client_that_does_not_read(pair: tuple[Connection, socket.socket]) -> None:
    """With half a frame out, no close frame can be sent; the socket is shut at once all the same."""
    connection, client = pair
    large = text_frame(b"x" * 10_000_000)
    assert offer(connection, large)
    watch = Stopwatch()
    connection.shut(1001)
    assert watch.seconds() < 0.5
    try:
        received = read_all(client)
    except ConnectionResetError:
        received = b""
    assert large.startswith(received)


def test_finish_lets_the_client_read_the_last_bytes(pair: tuple[Connection, socket.socket]) -> None:
    """The end waits a moment for a client that is still sending, so that no reset destroys what it has not read."""
    connection, client = pair
    connection.send_bytes(b"last words")
    client.sendall(b"x" * 2000)
    finish = threading.Thread(target=connection.finish)
    finish.start()
    client.sendall(b"y" * 2000)
    assert read_all(client) == b"last words"
    client.close()
    finish.join(5)
    assert not finish.is_alive()


def test_a_timeout_may_be_as_long_as_one_likes(pair: tuple[Connection, socket.socket]) -> None:
    """Whoever wants none sets one of a century."""
    patient = Connection(pair[0].sock, 1e10)
    sender = threading.Thread(target=patient.send_bytes, args=(text_frame(b"x" * 1_000_000),))
    sender.start()
    received = 0
    while received < 1_000_000:
        received += len(pair[1].recv(65536))
    sender.join()


def test_without_a_thread_for_the_rest_of_a_frame_the_connection_ends(
    pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a frame cannot be taken back, and nothing may follow it."""
    connection, client = pair
    large = text_frame(b"x" * 10_000_000)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert offer(connection, large)
    assert not offer(connection, b"\x81\x00")
    with pytest.raises(BrokenPipeError):
        connection.send_bytes(b"\x81\x00")
    received = read_all(client)
    assert 0 < len(received) < len(large)
    assert large.startswith(received)


def test_an_offer_finishes_half_a_frame_where_it_can(
    pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is there before the thread that is to send the rest does it, and is refused until all is out."""
    connection, client = pair
    large, after = text_frame(b"0123456789" * 300_000), text_frame(b"next")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        assert offer(connection, large)
    received = b""
    refused = 0
    while not offer(connection, after):
        refused += 1
        if select.select([client], [], [], 0)[0]:
            received += client.recv(1 << 20)
    assert refused
    while len(received) < len(large) + len(after):
        received += client.recv(1 << 20)
    assert received == large + after
    assert connection._traffic.total() == (2, len(received))


def test_finish_waits_no_longer_than_a_moment(
    pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that never closes its end does not hold the thread."""
    connection, client = pair
    monkeypatch.setattr("logstream.web.connection._LINGER", 0.0)
    connection.finish()
    assert read_all(client) == b""
    assert connection.sock.recv(1, socket.MSG_DONTWAIT) == b""  # it is the end for us, too
    with pytest.raises(BrokenPipeError):
        connection.send_bytes(b"\x81\x00")


def test_one_who_cannot_take_a_message_keeps_no_other_from_it() -> None:
    """An offer to all goes to each who can take it now; the full, the closed and the busy ones are returned."""
    traffic = Traffic()
    with contextlib.ExitStack() as stack:
        sockets = [[stack.enter_context(sock) for sock in socket.socketpair()] for _ in range(6)]
        ready, full, closed, busy, dead, last = connections = [Connection(ours, 1.0, traffic) for ours, _ in sockets]
        received = fill(full, text_frame(b"x" * 1000))
        before = traffic.total()
        closed.end_sending()
        dead.sock.close()
        taken_last = ready.last_taken
        with busy._send_lock:
            refusing = offer_to_all(traffic, connections, framed(b"\x81\x01a"))
        assert received and set(refusing) == {full, closed, busy, dead}
        assert ready.last_taken is not taken_last
        for one in (0, 5):
            assert sockets[one][1].recv(100) == b"\x81\x01a"
        assert traffic.total() == (before[0] + 2, before[1] + 6)


def test_each_socket_has_a_lock_of_its_own() -> None:
    """Though they are made many at a time, and by whichever thread opens a connection."""
    traffic = Traffic()
    found: list[threading.Lock] = []
    threads = [
        threading.Thread(target=lambda: found.extend(traffic.make_socket_lock() for _ in range(200))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(lock) for lock in found}) == 800
