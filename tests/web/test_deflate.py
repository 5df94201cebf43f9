"""Tests of negotiating compression."""

import pytest

from logstream.web.deflate import accept_deflate

from ..stopwatch import Stopwatch


@pytest.mark.parametrize(
    ("offers", "accepted"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("x-other, Permessage-Deflate ; client_max_window_bits=12", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
        ('permessage-deflate; client_max_window_bits="15"', True),
        ('x-other; a="permessage-deflate, permessage-deflate;"', False),
        ('x-other; a="\\",;b", permessage-deflate', True),
        ("permessage-deflate; unknown", False),
        ("permessage-deflate; unknown=1, permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits=7", False),
        ("permessage-deflate; client_max_window_bits=16", False),
        ("permessage-deflate; client_max_window_bits=08", False),
        ("permessage-deflate; client_max_window_bits=x", False),
        ("permessage-deflate; client_max_window_bits=", False),
        ('permessage-deflate; client_max_window_bits=""', False),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", False),
        ("permessage-deflate; client_max_window_bits=12; client_max_window_bits=12", False),
        ("permessage-deflate; server_no_context_takeover=1", False),
        ("permessage-deflate; client_no_context_takeover=true", False),
        ("permessage-deflate; =", False),
        ("permessage-deflate; ", False),
        ("permessage-deflate foo", False),
        ('permessage-deflate; a="', False),
        ("permessage-deflate=1", False),
        ("x-webkit-deflate-frame", False),
        ("", False),
        (";;,,=", False),
    ],
)
def test_an_offer_to_compress_is_accepted_where_frames_can_be_shared(offers: str, accepted: bool) -> None:
    """Only with a full window, never with a context that lasts, nor with a parameter that is none."""
    answer = accept_deflate(offers)
    assert (answer is not None) == accepted
    assert answer is None or "server_no_context_takeover" in answer


@pytest.mark.parametrize("piece", [";", ",", "a;", "a,", 'a="', "\\", 'a="\\', "permessage-deflate; unknown, ", " "])
def test_no_offer_takes_long(piece: str) -> None:
    """However long and strange the header is."""
    watch = Stopwatch()
    assert accept_deflate(piece * 10_000) is None
    assert watch.seconds() < 0.5
