"""Tests of what of a log reaches the reader's terminal: in words, at random, and on a real one."""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.terminal import TerminalFilter

from .serving import wait_until
from .tmux.tmuxserver import TmuxServer, needs_tmux

SHOWN = [
    *("text\r\n", "größer 日本語 😀", "\a\b\t\v\f", "\x1b[31mred\x1b[0m", "\x1b[38;2;1;2;3m", "\x1b[4:3m", "\x1b[2K"),
    *("\x1b[?2J", "\x1b[3;4H", "\x1b[A", "\x1b[10C", "\x1b[2L", "\x1b[3@", "\x1b[5X", "\x1b[7b", "\x1b[2;5r", "\x1b[s"),
    *("\x1b[u", "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE", "\x1b(0lqk\x1b(B", "\x0e\x0f", "\x1b#8", "\x1b[?25l"),
    *("\x1b[?7l", "\x1b[?1049h", "\x1b[4h", "\x1b[!p", "\x1b[2 q", "\x1b[1;1;2;2$z", "\x1b[?2026h", "\x1b[?1048h"),
    *("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "\x1bPq#0;2;0;0;0~-\x1b\\"),
]
# What makes a terminal answer, or send something else than what is typed, or what it keeps.
LEFT_OUT = [
    *("\x05", "\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[=c", "\x1bZ", "\x1b[5n", "\x1b[6n", "\x1b[?6n", "\x1b[?996n"),
    *("\x1b[x", "\x1b[?25$p", "\x1b[4$p", "\x1b[>q", "\x1b[>0q", "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", "\x1b[?1;1;0S"),
    *("\x1b[1;1;1;1;1;1*y", "\x1b[14t", "\x1b[18t", "\x1b[21t", "\x1b[8;1;1t", "\x1b[22;0t", "\x1b[1$w", "\x1b[2$u"),
    *("\x1b[&u", "\x1b[?u", "\x1b[>1u", "\x1b[=1u", "\x1b]10;?\x1b\\", "\x1b]11;?\a", "\x1b]4;1;?\a", "\x1b]4;1;red\a"),
    *("\x1b]52;c;?\a", "\x1b]52;c;YQ==\a", "\x1b]0;title\a", "\x1b]2;t\x1b\\", "\x1b]7;file:///\a", "\x1b]133;A\a"),
    *("\x1b]1337;ReportCellSize\a", "\x1b]9;note\a", "\x1b]104\a", "\x1b_Gi=1,a=q;\x1b\\", "\x1b^pm\x1b\\"),
    *("\x1bXsos\x1b\\", "\x1bPtmux;\x1b\x1b[c\x1b\\", "\x1b[?1000h", "\x1b[?1006l", "\x1b[?1004h", "\x1b[?2004h"),
    *("\x1b[?1h", "\x1b=", "\x1b>", "\x1b[>4;2m", "\x1b[?4m", "\x1b[?2048h", "\x1b[?2031h", "\x1b[2h", "\x1b[12h"),
    *("\x1b[5i", "\x1b[1'z", "\x1b['|", "\x1b[#R", "\x1b[3g", "\x1bH", "\x1b F", "\x1b%@", "\x1bn", "\x1b[?3h"),
    *(
        "\x1b[1;2$}",
        "\x1b[?1000;1002;1006h",
        "\x1b[1000h",
        "\x00",
        "\x11",
        "\x7f",
        "\x9b",
        "\x9d",
        "\x90",
        "\x85",
        "\x9c",
    ),
]
QUESTION = re.compile(
    r"[\x05\x80-\x9f]|\x1bZ|\x1b\[[0-9;<=>?]*[cnxit]|\x1b\[[<=>?][0-9;]*[mqSu]|\x1b\[[0-9;?]*(?:\$[pquwy]|\*y|'[z|{]|&u)"
    r"|\x1bP[$+]|\x1bP[^q0-9;]|\x1b_|\x1b\](?!8;)|\x1b\[\?(?:[0-9;]*;)?(?:9|100[0-6]|1015|1016|2004|2031|2048)h"
)


def through(text: str) -> str:
    """What of a whole log is shown."""
    return TerminalFilter().feed(text)


@pytest.mark.parametrize("text", SHOWN)
def test_what_shows_something_is_let_through(text: str) -> None:
    """As it is."""
    assert through(f"a{text}b") == f"a{text}b"


@pytest.mark.parametrize("text", LEFT_OUT)
def test_what_makes_a_terminal_send_or_keep_something_is_left_out(text: str) -> None:
    """And nothing else is, before it or behind it."""
    assert through(f"a{text}b\x1b[1mc") == "ab\x1b[1mc"


def test_of_several_modes_those_that_show_something_are_let_through() -> None:
    """In one sequence with others."""
    assert through("\x1b[?1049;1000;25h") == "\x1b[?1049;25h"
    assert through("\x1b[2;4h") == "\x1b[4h"


def test_a_reset_of_all_is_one_of_what_the_log_has_changed() -> None:
    """It clears the screen; what the reader has set stays."""
    shown = through("\x1b[?1049h\x1b[31ma\x1bcb")
    assert "\x1bc" not in shown
    assert shown.startswith("\x1b[?1049h\x1b[31ma\x1b\\\x1b[?1049l\x1b[0m")
    assert shown.endswith("\x1b[2J\x1b[Hb")


def test_a_sequence_that_is_broken_ends_where_it_breaks() -> None:
    """By another one, a cancel, or a character that no sequence has; line feeds within it count."""
    assert through("a\x1b[3\x1b[1mb") == "a\x1b[1mb"
    assert through("a\x1b[3\x18b\x1b[4\x1ac") == "abc"
    assert through("a\x1b[3öb") == "aöb"
    assert through("a\x1b[3\n1mb") == "a\n\x1b[31mb"
    assert through("a\x1b[6\nnb") == "a\nb"
    assert through("a\x1b]0;title\x1b[1mb") == "a\x1b[1mb"
    assert through("a\x1b]8;;x\x1b[1mb") == "a\x1b]8;;x\x1b\\\x1b[1mb"
    assert through("a\x1b]0;ti\ntle\x18b") == "ab"
    assert through("a\x1b]8;;\x9b\nx\ab") == "a\x1b]8;;x\x1b\\b"


def test_a_sequence_without_an_end_is_not_kept() -> None:
    """However much of it comes."""
    for begin in ("\x1b[", "\x1b(", "\x1b]", "\x1b]8;", "\x1bP", "\x1bPq", "\x1b_"):
        texts = TerminalFilter()
        texts.feed(begin)
        for _ in range(100):
            texts.feed("1" * 1000)
        assert len(texts._held) < 2000


def random_log(chance: random.Random, pieces: int) -> str:
    """Text and sequences, whole and not."""
    made = []
    for _ in range(pieces):
        kind = chance.random()
        if kind < 0.4:
            made.append(chance.choice(SHOWN + LEFT_OUT))
        elif kind < 0.6:
            sequence = chance.choice(SHOWN + LEFT_OUT)
            made.append(sequence[: chance.randrange(len(sequence) + 1)])
        elif kind < 0.8:
            parameters = "".join(chance.choices("0123456789;:?<=>$!\"'* #&\n\x07", k=chance.randrange(6)))
            made.append("\x1b" + chance.choice("[[[[]P_^X(#") + parameters + chr(chance.randrange(0x40, 0x7F)))
        else:
            made.append("".join(chance.choices("ab \r\n\té日😀\x1b\\[]0;cnm\x18\x07", k=chance.randrange(8))))
    return "".join(made)


@pytest.mark.parametrize("seed", range(200))
def test_where_a_log_is_cut_makes_no_difference(seed: int) -> None:
    """What is shown of the pieces is what is shown of the whole, to the last character."""
    chance = random.Random(seed)
    text = random_log(chance, 60)
    whole, pieces = TerminalFilter(), TerminalFilter()
    shown, place = "", 0
    while place < len(text):
        length = chance.choice((1, 1, 2, 3, 10, 100))
        shown += pieces.feed(text[place : place + length])
        place += length
    assert shown == whole.feed(text)
    assert (pieces.undo(), pieces.redo()) == (whole.undo(), whole.redo())


@pytest.mark.parametrize("seed", range(200))
def test_nothing_is_asked_whatever_the_log(seed: int) -> None:
    """No question, and no mode in which more is sent, is in what is shown, or in what follows it."""
    chance = random.Random(seed)
    texts = TerminalFilter()
    shown = texts.feed(random_log(chance, 100)) + texts.undo() + texts.redo() + texts.restart()
    assert not QUESTION.search(shown)


@pytest.mark.parametrize("seed", range(50))
def test_what_is_shown_is_shown_again_as_it_is(seed: int) -> None:
    """A filter behind a filter leaves out nothing more; but for what a reset of all becomes."""
    shown = through(random_log(random.Random(seed), 100).replace("c", ""))
    assert through(shown) == shown


def test_what_is_saved_is_not_forgotten() -> None:
    """What was on when the cursor was saved, by whomever, comes back with it."""
    for text in ("\x1b[31m\x1b7\x1b[0m", "\x1b[31m\x1b[?1049h\x1b[0m", "\x1b8", "\x1b[u", "\x1b[?1048l"):
        texts = TerminalFilter()
        texts.feed(text)
        assert "\x1b[0m" in texts.undo()


def test_plain_text_ends_as_it_is() -> None:
    """Nothing is printed for a terminal in which nothing was changed."""
    texts = TerminalFilter()
    texts.feed("text\r\n\x1b[2K\x1b[A\x1b]0;title\a")
    assert texts.undo() == texts.restart() == ""


class Pane:
    """A pane of tmux as a terminal, which keeps what it sends."""

    def __init__(self, tmux: TmuxServer, directory: Path) -> None:
        self._tmux = tmux
        self._sent = directory / "sent"
        self._marks = 0
        begin = f"stty raw -echo; : > {self._sent}; exec cat >> {self._sent}"
        tmux.begin("pane", begin, "-x", "80", "-y", "24")
        wait_until(self._sent.exists)
        self._tty = os.open(self.tell("#{pane_tty}"), os.O_WRONLY | os.O_NOCTTY)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._tty)

    def tell(self, what: str) -> str:
        """What tmux says of it."""
        return self._tmux.run("display-message", "-p", "-t", "pane", what).strip()

    def write(self, text: str) -> None:
        """Show text that leaves the terminal as it was: in no colour, and with the characters that letters are."""
        data = memoryview(text.encode())
        while data:
            data = data[os.write(self._tty, data) :]
        self._marks += 1
        mark = f"lqk{self._marks}"
        os.write(self._tty, f"\x1b[H\x1b[2J{mark}".encode())
        wait_until(lambda: self._tmux.run("capture-pane", "-p", "-e", "-t", "pane").startswith(f"{mark}\n"))

    def sent(self) -> bytes:
        """All that it has sent."""
        return self._sent.read_bytes()


@pytest.fixture
def pane(tmp_path: Path) -> Iterator[Pane]:
    """A terminal."""
    with tempfile.TemporaryDirectory(prefix="tmux-") as directory:
        tmux = TmuxServer(Path(directory, "socket"))
        try:
            terminal = Pane(tmux, tmp_path)
            yield terminal
            terminal.close()
        finally:
            tmux.close()


STATE = " ".join(
    f"{name}=#{{{name}}}"
    for name in (
        *("alternate_on", "cursor_flag", "insert_flag", "keypad_cursor_flag", "keypad_flag", "mouse_any_flag"),
        *(
            "mouse_sgr_flag",
            "mouse_utf8_flag",
            "origin_flag",
            "wrap_flag",
            "scroll_region_upper",
            "scroll_region_lower",
        ),
        *("pane_title", "pane_tabs"),
    )
)


@needs_tmux
def test_a_terminal_that_is_asked_answers(pane: Pane) -> None:
    """Or the next test would prove nothing."""
    pane.write("\x1b[c\x1b[6n")
    wait_until(lambda: b"c" in pane.sent() and b"R" in pane.sent())


@needs_tmux
def test_a_terminal_is_left_as_it_was_and_sends_nothing(pane: Pane) -> None:
    """Whatever the log has in it; its colours too, and its character sets."""
    before = pane.tell(STATE)
    for seed in range(60):
        chance = random.Random(seed)
        texts = TerminalFilter()
        shown = texts.feed(random_log(chance, 80))
        pane.write(shown + texts.restart())
        assert pane.tell(STATE) == before, seed
    assert pane.sent() == b""
