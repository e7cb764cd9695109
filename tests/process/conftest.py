"""Fixtures of the shared-memory tests: a run id of their own, whose segments must be gone afterwards."""
import itertools
import os
import pathlib
import tempfile

import pytest

from cext import shm

_numbers = itertools.count()


@pytest.fixture
def run_id():
    """A fresh run id; whatever the test leaves on /dev/shm under it fails the test."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    yield name
    assert shm.unlink_run(name) == [], "the test left segments behind"


@pytest.fixture
def home():
    """A directory with a short path: unix sockets take 107 bytes, pytest's own tmp_path is most of that."""
    with tempfile.TemporaryDirectory(prefix="ls-") as path:
        yield pathlib.Path(path)
