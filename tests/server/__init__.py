"""Tests of logstream.server."""
