"""Recordings: what a core was handed and what it asked for, written and read; and bars from files."""

from horizon.recording.importers import read_bars
from horizon.recording.reader import RecordingReader
from horizon.recording.writer import Recorder

__all__ = ["Recorder", "RecordingReader", "read_bars"]
