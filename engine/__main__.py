"""The engine process.

    python -m engine --run-dir var/runs/<run_id>     run (the supervisor or a systemd unit starts it so)
    python -m engine --check config/sim.yaml         print the effective configuration and its hash, and stop

Ends with 0 after an orderly stop, 2 with a sentence when it will not run (starting it again would end the same way); anything
else is a crash, and whoever started it starts it again."""
import pathlib
import sys

import click

EXIT_REFUSED = 2   # engine/supervisor/processes.py EXIT_WRONG_CONFIG


@click.command()
@click.option("--run-dir", type=click.Path(path_type=pathlib.Path, file_okay=False),
              help="directory of the run, holding config.json")
@click.option("--check", "check_path", type=click.Path(path_type=pathlib.Path), metavar="CONFIG",
              help="check a configuration and print what it means")
def main(run_dir: pathlib.Path | None, check_path: pathlib.Path | None) -> None:
    """Run the engine, or check a configuration."""
    if check_path is not None:
        from engine.check import check_config
        sys.exit(check_config(check_path))
    if run_dir is None:
        sys.exit("engine: want --run-dir DIR or --check CONFIG")
    if not (run_dir / "config.json").exists():
        sys.exit(f"engine: {run_dir / 'config.json'} is missing: the supervisor writes it (python -m engine.supervisor CONFIG)")
    from engine.shell import EngineFailed, run
    try:
        sys.exit(run(run_dir.resolve()))
    except EngineFailed as error:
        print(f"engine: {error}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main()
