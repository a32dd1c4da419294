"""Recordings: what a core was handed and what it asked for, written and read; and bars from files."""
