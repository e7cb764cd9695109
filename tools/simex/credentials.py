"""Keys of the simulated accounts: made anew for each run by each venue's dialect, written to 0600 files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Create or replace a file only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def write_credentials(contents: Mapping[str, bytes], directory: Path, prefix: str) -> dict[str, str]:
    """Each field into a file of its own, `<prefix>.<field>`; returns field -> reference ("file:/...") as simex.json has it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    references = {}
    for name, content in contents.items():
        path = directory / f"{prefix}.{name}"
        write_private(path, content)
        references[name] = f"file:{path}"
    return references
