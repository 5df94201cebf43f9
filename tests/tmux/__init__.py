"""Tests of what is known of tmux."""
