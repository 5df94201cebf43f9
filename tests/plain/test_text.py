"""Tests of plain text: what is printed of a log, beside what the page's terminal has for its lines."""

from __future__ import annotations

import random
import re

import pytest

from logstream.plain import PlainText

from .page import NAMES, page_lines, recorded

# Recordings of which the page has other lines, and why.
DIFFERENCES = {"jest-watch": "clears the history (CSI 3 J); what was printed already stays"}
# An accent, half a syllable, or what has no width, that follows on blanks: whether it is kept, and whether it takes one
# of them, depends on how the page keeps a row.
AFTER_BLANKS = re.compile("(?:^| )[\u0301\u1161\u11ab\u200b-\u200d\ufe0f\U0001f3fb-\U0001f3ff]+")

SEEDS = 750
WORDS = [
    *("a", "hello", "wörld", "日本語", "x" * 30, "e\u0301", "\u0301", "😀", "👩\u200d🚀", "🇩🇪", "❤\ufe0f", "👍🏽"),
    *("한글", "\u1112\u1161\u11ab", "│─┐", " ", "   ", "คำ", "ぽ", "\u200b", "\x85", "\x9b31m", "a\u0600b", "lqk#"),
]
CONTROLS = [*["\r\n"] * 4, *"\r\n\b\t\v\x07\x0e\x0f\x7f\x00"]
ESCAPES = ["[s", "[u", "[g", "[3g", "(0", "(B", ")0", "(A", "%G", "#8", "[!p", *"78DEMHno~"]
STRINGS = [
    *("\x1b]0;title\n\x07", "\x1b]8;;http://a/\x1b\\", "\x1bPq#0~~\r\n~~\x1b\\", "\x1b_x\ny\x1b\\", "\x1bktitle\x1b\\"),
    *("\x1b]x\n", "\x1b[>4;2m", "\x1b[4 q", "\x1b[3\r1m", '\x1b[31;"<', "\x1b[3\n", "\x1b[1\x18", "\x1b[" + "1;" * 600),
]
SIMPLE_LINES = ["a line of words\r\n", "\x1b[1;32mgreen\x1b[0m\r\n", "\r\n", "a\tb\tc\r\n", "1234567890" * 5 + "\r\n"]


def plain_lines(pieces: list[str], columns: int | None = None) -> list[str]:
    """All that is printed of a log that comes in pieces, as lines."""
    plain = PlainText(columns)
    text = "".join([plain.feed(piece) for piece in pieces]) + plain.finish()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def without_blanks(lines: list[str]) -> list[str]:
    """The text of lines, without blanks and what is only seen on them."""
    return [text for line in lines if (text := AFTER_BLANKS.sub("", line).replace(" ", "")) != ""]


def cut(text: str, chance: random.Random) -> list[str]:
    """Text in pieces of random lengths."""
    pieces = []
    at = 0
    while at < len(text):
        length = chance.randint(1, chance.choice((3, 3000)))
        pieces.append(text[at : at + length])
        at += length
    return pieces


def random_piece(chance: random.Random, columns: int, rows: int) -> str:
    """A bit of what a program may write."""

    def number(most: int) -> str:
        return chance.choice(("", "0", "9999", *[str(chance.randint(1, most + 2))] * 6))

    match chance.randrange(12):
        case 0 | 1 | 2:
            return "".join(chance.choices(WORDS, k=chance.randint(1, 3)))
        case 3 | 4:
            return "".join(chance.choices(CONTROLS, k=chance.randint(1, 2)))
        case 5:
            return f"\x1b[{number(rows)};{number(columns)}{chance.choice('Hfr')}"
        case 6 | 7:
            return f"\x1b[{number(columns)}{chance.choice('@ABCDEFGILMPSTXZabde`')}"
        case 8:
            final = chance.choice("JKb")
            return f"\x1b[{chance.choice(('', '?')) if final != 'b' else ''}{chance.choice(('', '0', '1', '2'))}{final}"
        case 9:
            mode = chance.choice((2, 6, 7, 45, 47, 1047, 1048, 1049, 1049, 2026, 25))
            return chance.choice((f"\x1b[?{mode}", f"\x1b[{chance.choice((4, 20))}")) + chance.choice("hl")
        case 10:
            return chance.choice(("\x1b" + chance.choice(ESCAPES), chance.choice(STRINGS)))
        case _:
            return "".join(chance.choices(SIMPLE_LINES, k=chance.randint(1, 3 * rows)))


@pytest.mark.parametrize("cuts", [False, True], ids=["whole", "cut"])
def test_recordings_are_printed_as_the_page_shows_them(cuts: bool) -> None:
    """Each recording of a real tool gives the lines that the page's terminal has, wherever it is cut."""
    chance = random.Random(1)
    logs = [cut(text, chance) if cuts else [text] for text in map(recorded, NAMES)]
    shown = dict(zip(NAMES, zip(logs, page_lines(logs), strict=True), strict=True))
    assert len(shown) >= 50
    differing = {name for name, (pieces, lines) in shown.items() if plain_lines(pieces) != lines}
    assert differing == set(DIFFERENCES)
    for name in differing:  # and there only what was printed before is more
        pieces, lines = shown[name]
        assert plain_lines(pieces)[-len(lines) :] == lines


def test_another_width_is_the_pages() -> None:
    """With a width that is chosen, recordings are what the page has at that width."""
    names = [name for name in NAMES if name not in DIFFERENCES]
    logs = [[recorded(name)] for name in names]
    shown = page_lines(logs, 47)
    assert [name for name, log, lines in zip(names, logs, shown, strict=True) if plain_lines(log, 47) != lines] == []


@pytest.mark.parametrize("from_terminal", [True, False])
def test_random_output_is_printed_as_the_page_shows_it(from_terminal: bool) -> None:
    """Whatever a program writes, on a terminal of any size, and however it is cut."""
    logs = []
    for seed in range(SEEDS):
        chance = random.Random(seed)
        columns, rows = chance.randint(2, 40), chance.randint(1, 12)
        first = f'Script started on a day [COLUMNS="{columns}" LINES="{rows}"]\n' if from_terminal else "one\n"
        pieces = [random_piece(chance, columns, rows) for _ in range(chance.randint(1, 60))]
        logs.append([first, *cut("".join(pieces), chance)])
    for seed, (pieces, lines) in enumerate(zip(logs, page_lines(logs), strict=True)):
        printed = plain_lines(pieces)
        if any(map(AFTER_BLANKS.search, lines + printed)):
            printed, lines = without_blanks(printed), without_blanks(lines)
        assert printed == lines, (seed, pieces)


def test_a_clear_does_not_unprint() -> None:
    """What has scrolled off is printed; `clear` and a reset take only what is on the screen."""
    rows = "".join(f"{number}\r\n" for number in range(30))
    for clearing in ("\x1b[H\x1b[2J\x1b[3J", "\x1bc"):
        text = 'Script started on a day [COLUMNS="20" LINES="10"]\n' + rows + clearing + "after\r\n"
        assert plain_lines([text]) == [*map(str, range(21)), "after"]


def test_a_line_is_printed_when_it_has_scrolled_off() -> None:
    """Not before, as it may still change, and no later; an unfinished one as far as it has."""
    plain = PlainText()
    assert plain.feed("".join(f"line {number}\n" for number in range(23))) == ""
    assert plain.feed("line 23\n") == "line 0\n"
    assert plain.feed("x" * 80 * 24) == "".join(f"line {number}\n" for number in range(1, 24))
    assert plain.feed("y" * 80) == "x" * 80
    assert plain.finish() == "x" * 80 * 23 + "y" * 80 + "\n"
    assert plain.finish() == ""


def test_blank_lines_are_printed_between_lines_only() -> None:
    """They are printed once there is a line after them."""
    plain = PlainText()
    assert plain.feed("\n" * 100 + "a\n" + "\n" * 40) == "\n" * 100 + "a\n"
    assert plain.feed("b") == ""
    assert plain.finish() == "\n" * 40 + "b\n"


def test_a_log_of_plain_lines_is_itself() -> None:
    """Without anything to carry out, at any length of line and in any pieces, but for blanks at the end."""
    chance = random.Random(2)
    lines = [
        " ".join(chance.choices(["word", "größer", "日本語", "a\tb", "😀"], k=chance.randint(1, 60)))
        for _ in range(2000)
    ]
    text = "".join(f"{line}\n" for line in lines if "\t" not in line)
    for _ in range(5):
        assert "".join(f"{line}\n" for line in plain_lines(cut(text, chance))) == text


def test_a_line_without_an_end_is_printed_as_it_comes() -> None:
    """However long it is, in one piece or several, but for what is on the screen."""
    plain = PlainText(100)
    on_screen = 100 * 24
    assert plain.feed("x" * 3_000_000) == "x" * (3_000_000 - on_screen)
    assert plain.feed("y" * 1000) == "x" * 1000
    assert plain.finish() == "x" * (on_screen - 1000) + "y" * 1000 + "\n"


def test_what_script_writes_is_not_printed() -> None:
    """Neither its first line nor its last one, also where they are cut; a size is kept within bounds."""
    session = 'Script started on 2026-11-25 [COMMAND="a" COLUMNS="99999" LINES="999999"]\na\r\nb\r\n'
    text = session + '\nScript done on 2026-11-25 [COMMAND_EXIT_CODE="0"]\n'
    for place in range(len(text)):
        if not session.endswith(text[:place][-1:]) and len(session) < place < len(session) + len("\nScript "):
            continue  # so little of it may be anything
        assert plain_lines([text[:place], text[place:]]) == ["a", "b"], place
    assert plain_lines([text, text]) == ["a", "b", "a", "b"]
