"""Where recorded market data lies, if it is there at all: `<repo>/../shared/data`, or LOCKSTEP_SHARED/data.

Tests that want it call `shared_data("hftbacktest/spot/btcusdt_20240808.gz")` and are skipped with a clear word where it is
absent: the project stands without it."""
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def shared_dir() -> pathlib.Path | None:
    """The folder that holds `data/`, or None."""
    path = pathlib.Path(os.environ.get("LOCKSTEP_SHARED", ROOT.parent / "shared"))
    return path if (path / "data").is_dir() else None


def shared_data(relative: str) -> pathlib.Path:
    """A file below shared/data; skips the calling test when it is not there."""
    folder = shared_dir()
    if folder is None or not (folder / "data" / relative).exists():
        pytest.skip(f"recorded data {relative} is not beside this checkout (set LOCKSTEP_SHARED)")
    return folder / "data" / relative
