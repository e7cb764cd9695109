"""Fixtures of the shared-memory tests: a run id of their own, whose segments must be gone afterwards."""
import itertools
import os

import pytest

from cext import shm

_numbers = itertools.count()


@pytest.fixture
def run_id():
    """A fresh run id; whatever the test leaves on /dev/shm under it fails the test."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    yield name
    assert shm.unlink_run(name) == [], "the test left segments behind"
