"""`tools/capture record`: raw frames of a feed into a capture file, of a running system or of a feed process of our own.

A running feed is asked by a request file in its run directory (feeds/capture_tap.py) and records while the file is there; it
writes the books it has first, so that the recording can be replayed from its start. Otherwise `python -m feeds` is started with
capture on, in a run directory of its own (removed when all went well), and stopped at the end."""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from engine.config import dump_effective, load
from feeds.capture_format import CaptureError, CaptureReader

ROOT = pathlib.Path(__file__).resolve().parents[2]
TAKEN_UP_S = 5.0     # a feed looks for requests once a second
CLOSED_S = 10.0
POLL_S = 0.1


class RecordFailed(Exception):
    """Nothing, or not all, was recorded; the text says why."""


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(POLL_S)
    return done()


def is_closed(path: pathlib.Path) -> bool:
    """The file ends with its index."""
    try:
        with CaptureReader(path) as reader:
            for _ in reader.blocks():
                pass
        return True
    except CaptureError:
        return False


def rest_until(seconds: float | None, is_running: Callable[[], bool] = lambda: True) -> None:
    """The recording's length, or until Ctrl-C, or until nothing records any more."""
    deadline = None if seconds is None else time.monotonic() + seconds
    with contextlib.suppress(KeyboardInterrupt):
        while is_running() and (deadline is None or time.monotonic() < deadline):
            time.sleep(POLL_S)


def record_running(run_dir: pathlib.Path, feed: str, out: pathlib.Path, seconds: float | None) -> None:
    """Ask a running feed to record."""
    request = run_dir / f"capture-{feed}.json"
    if request.exists():
        raise RecordFailed(f"{request}: this feed is recording already; remove the file to end that")
    if out.exists():
        raise RecordFailed(f"{out}: exists already; a capture is never overwritten, name another file")
    partial = request.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps({"path": str(out.absolute())}))
    partial.replace(request)
    try:
        if not wait_until(out.exists, TAKEN_UP_S):
            raise RecordFailed(
                f"{run_dir}: feed {feed} did not begin to record within {TAKEN_UP_S:.0f} s: is this run running, and is "
                f"{out.parent} writable? Its log says more: {run_dir / 'logs'}"
            )
        rest_until(seconds)
    finally:
        request.unlink(missing_ok=True)
    if not wait_until(lambda: is_closed(out), CLOSED_S):
        raise RecordFailed(f"{out}: was not closed by feed {feed}; what is there can be read with --allow-truncated")


def make_run_dir(config_path: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """A run directory of our own, with the configuration and capture switched on."""
    config = load(config_path)
    if config.mode == "sim":
        raise RecordFailed(
            f"{config_path}: mode sim has no venue to connect to; start it with `make run` and record that (--run)"
        )
    config = config.model_copy(update={"feeds": config.feeds.model_copy(update={"capture": str(out.absolute())})})
    run_dir = ROOT / config.run.var_dir / "runs" / f"capture-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    (run_dir / "logs").mkdir(parents=True)
    (run_dir / "config.json").write_bytes(dump_effective(config))
    return run_dir


@contextlib.contextmanager
def own_feed(run_dir: pathlib.Path, feed: str) -> Iterator[subprocess.Popen[bytes]]:
    """A feed process of our own that records; stopped in order at the end."""
    process = subprocess.Popen([sys.executable, "-m", "feeds", feed, "--run-dir", str(run_dir)], cwd=ROOT, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(CLOSED_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def record_alone(config_path: pathlib.Path, feed: str, out: pathlib.Path, seconds: float | None) -> None:
    """Connect as a feed and record."""
    if out.exists():
        raise RecordFailed(f"{out}: exists already; a capture is never overwritten, name another file")
    run_dir = make_run_dir(config_path, out)
    with own_feed(run_dir, feed) as process:
        rest_until(seconds, lambda: process.poll() is None)
        ended_early = process.poll()
    if ended_early:
        raise RecordFailed(f"feed {feed} ended with code {ended_early}; what it said stands above and in {run_dir / 'logs'}")
    if not out.exists():
        raise RecordFailed(f"feed {feed} reached no venue, nothing was recorded; its log says why: {run_dir / 'logs'}")
    if not is_closed(out):
        raise RecordFailed(f"{out}: was not closed; what is there can be read with --allow-truncated; see {run_dir / 'logs'}")
    shutil.rmtree(run_dir)
