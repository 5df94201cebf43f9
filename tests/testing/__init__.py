"""Tests of logstream.testing."""
