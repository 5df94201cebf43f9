"""Tests of logstream.engine."""
