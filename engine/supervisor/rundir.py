"""One directory a run: var/runs/<run_id>/ with config, journal, histograms, logs, report; var/latest points to the newest.

A run id is time and four hex digits: it sorts by time, and it names the run's shared-memory segments."""
import os
import pathlib
import secrets
import time


def new_run_id(now_s: float | None = None) -> str:
    """20261120-141503-9f3c, in UTC."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_s)) + "-" + secrets.token_hex(2)


def make_run_dir(var_dir: pathlib.Path, run_id: str) -> pathlib.Path:
    """Create the directory (mode 0700) and point var/latest at it, atomically."""
    run_dir = var_dir / "runs" / run_id
    run_dir.mkdir(parents=True, mode=0o700)
    (run_dir / "logs").mkdir()
    link = var_dir / f".latest-{run_id}"
    link.symlink_to(pathlib.Path("runs") / run_id)
    os.replace(link, var_dir / "latest")
    return run_dir
