"""RUN as every tool takes it: a run id, a run directory, or nothing for var/latest."""
import pathlib

import click

VAR_DIR = pathlib.Path("var")


def find_run(text: str | None, var_dir: pathlib.Path = VAR_DIR) -> pathlib.Path:
    """The run's directory. Raises click.ClickException with the places that were looked at."""
    candidates = [var_dir / "latest"] if text is None else [pathlib.Path(text), var_dir / "runs" / text]
    for path in candidates:
        if path.is_dir():
            return path.resolve()
    looked = " and ".join(str(path) for path in candidates)
    raise click.ClickException(f"no run found: looked for {looked}" + ("" if text else "; start one with `make run`"))


run_argument = click.argument("run", required=False, metavar="[RUN]")
