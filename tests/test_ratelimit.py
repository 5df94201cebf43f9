"""Tests of limits on how often."""

import logging

import pytest

from logstream.ratelimit import RateLimitedLog, TokenBucket


def test_a_bucket_allows_a_burst_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once up to the count, then as many again as time has passed, and never more than the count."""
    now = 100.0
    monkeypatch.setattr("logstream.ratelimit.time.monotonic", lambda: now)
    bucket = TokenBucket(4, 2.0)
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]
    now += 0.6
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 1000
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]


def test_a_flood_of_warnings_is_a_few_lines_and_a_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator gets ten lines, and later one that says how many were left out."""
    now = 100.0
    monkeypatch.setattr("logstream.ratelimit.time.monotonic", lambda: now)
    log = RateLimitedLog(logging.getLogger("logstream"))
    for number in range(1000):
        log.warning("refused %d", number)
    assert [record.getMessage() for record in caplog.records] == [f"refused {number}" for number in range(10)]
    now += 60
    log.warning("refused %d", 1000)
    assert caplog.records[-1].getMessage() == "refused 1000 (990 like this were left out before)"


def test_how_many_lines_a_minute_may_be_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """One, with the traceback of what is wrong."""
    now = 100.0
    monkeypatch.setattr("logstream.ratelimit.time.monotonic", lambda: now)
    log = RateLimitedLog(logging.getLogger("logstream"), lines=1)
    for _ in range(3):
        try:
            raise ValueError("wrong")
        except ValueError:
            log.warning("it failed", exc_info=True)
        now += 29
    assert [record.getMessage() for record in caplog.records] == ["it failed"]
    now += 2
    log.warning("it failed")
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]
    assert caplog.records[-1].getMessage() == "it failed (2 like this were left out before)"
