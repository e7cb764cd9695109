"""`make run`: starts simulated venues (mode sim), feeds, flusher and engine, shows what happens, stops all in order.

    python -m engine.supervisor config/sim.yaml [--duration 20]

Holds no state that a restart would lose: everything is in the run directory. In production systemd units start the same
processes."""
import pathlib
import sys

import click

from engine.config import ConfigError, load
from engine.supervisor.run import Run, RunFailed


@click.command()
@click.argument("config_path", type=click.Path(path_type=pathlib.Path), metavar="CONFIG")
@click.option("--duration", "duration_s", type=click.FloatRange(min=0.1), default=None,
              help="stop by itself after so many seconds")
@click.option("--plain", is_flag=True, help="plain lines even on a terminal")
def main(config_path: pathlib.Path, duration_s: float | None, plain: bool) -> None:
    """Run the system described by CONFIG until Ctrl-C (or --duration)."""
    try:
        config = load(config_path)
    except ConfigError as error:
        sys.exit(f"lockstep: {error}")
    try:
        sys.exit(Run(config, config_path, duration_s, plain).main())
    except (RunFailed, ConfigError) as error:
        sys.exit(f"lockstep: {error}")


if __name__ == "__main__":
    main()
