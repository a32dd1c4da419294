"""`horizon demo`: the main job, end to end, on the embedded gateway."""

from horizon.cli.demo.command import command

__all__ = ["command"]
