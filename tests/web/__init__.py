"""Tests of logstream.web."""
