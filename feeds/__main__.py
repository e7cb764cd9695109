"""`python -m feeds VENUE --run-dir D`: one feed process; see process.py.

Exit codes: 0 after an orderly stop, 2 when the configuration or the command is wrong, 1 for everything else (the supervisor
starts again)."""

import os
import pathlib
import sys

import click
import uvloop

from feeds.config import ConfigError, load_feed_config
from feeds.logs import setup_logging
from feeds.process import FeedFailed, FeedProcess
from feeds.registry import UnknownVenue, feed_venue


@click.command()
@click.argument("venue")
@click.option(
    "--run-dir", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False), required=True, help="directory of the run"
)
def main(venue: str, run_dir: pathlib.Path) -> None:
    """Read VENUE's markets and publish their books until SIGTERM."""
    run_dir = run_dir.resolve()
    try:
        feed_venue(venue)
        config = load_feed_config(run_dir / "config.json")
    except (ConfigError, UnknownVenue) as error:
        print(f"feed {venue}: {error}", file=sys.stderr)
        sys.exit(2)
    if venue not in config.venues:
        print(f"feed {venue}: {run_dir / 'config.json'} has no section venues.{venue}", file=sys.stderr)
        sys.exit(2)
    logs = setup_logging(run_dir, f"feed-{venue}")
    try:
        if isinstance(config.feeds.cpu, int):
            os.sched_setaffinity(0, {config.feeds.cpu})

        async def start() -> None:
            await FeedProcess(venue, run_dir, config).run()

        uvloop.run(start())
    except (FeedFailed, OSError) as error:
        print(f"feed {venue}: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        logs.close()


if __name__ == "__main__":
    main()
