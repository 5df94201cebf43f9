"""Tests of what is made once for all who load the same."""

from __future__ import annotations

from pathlib import Path

from logstream.logfile import LogFile, Reader
from logstream.protocol import Message
from logstream.sharing import Sharing


def test_the_same_bytes_are_decoded_once() -> None:
    """The very same text comes back for the same bytes in the same place, and another one for any other."""
    sharing = Sharing()
    data = "größer".encode() * 1000
    text, used = sharing.decode(data, 0, False)
    assert (text, used) == ("größer" * 1000, len(data))
    again, _ = sharing.decode(bytes(bytearray(data)), 0, False)
    assert again is text
    assert sharing.decode(data, 1, False)[0] == text[1:]
    assert sharing.decode(data + b"\xc3", 0, False) == (text, len(data))
    assert sharing.decode(data + b"\xc3", 0, True) == (text + "\ufffd", len(data) + 1)
    assert sharing.decode(data.replace(b"g", b"G"), 0, False)[0] == text.replace("g", "G")


def test_a_message_is_made_once_for_each_form() -> None:
    """Clients that want the same form of the same text get the same message; what is not shared is just made."""
    sharing = Sharing()
    text, _ = sharing.decode(b"text " * 10, 0, False)
    plain = sharing.message(text, "plain", lambda: Message(form="plain"))
    assert sharing.message(text, "plain", lambda: Message(form="other")) is plain
    assert sharing.message(text, "cursor", lambda: Message(form="cursor")) == {"form": "cursor"}
    assert sharing.message("text of nobody", "plain", lambda: Message(form="new")) == {"form": "new"}
    sharing.clear()
    assert sharing.message(text, "plain", lambda: Message(form="new")) == {"form": "new"}


def test_little_is_kept() -> None:
    """Only the last few pieces are remembered, whatever the length of the log."""
    sharing = Sharing()
    first, _ = sharing.decode(b"piece 0" * 100, 0, False)
    for number in range(1, 100):
        sharing.decode(b"piece %d" % number * 100, 0, False)
    assert len(sharing._pieces) < 10
    assert sharing.decode(b"piece 0" * 100, 0, False)[0] is not first


def test_a_file_that_was_rewritten_is_never_taken_for_what_it_was(tmp_path: Path) -> None:
    """A reader gets what is in the file now, though another has just read the same place."""
    path = tmp_path / "log"
    sharing = Sharing()
    for content in (b"a" * 100_000, b"b" * 50_000 + b"a" * 50_000, b"a" * 100_000):
        path.write_bytes(content)
        reader = Reader(LogFile.open(str(path)))
        assert reader.read(100_000, 100_000, decode=sharing.decode) == content.decode()
        reader.close()
