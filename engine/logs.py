"""Logs of the engine's processes: the same lines, file and rules as everywhere (feeds/logs.py, which feeds may import and this
re-exports)."""

from feeds.logs import LogSetup, clean, register_secret, setup_logging

__all__ = ["LogSetup", "clean", "register_secret", "setup_logging"]
