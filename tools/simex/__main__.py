"""`python -m tools.simex --config FILE --run-dir DIR`: run the simulated exchange until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from tools.simex.app import run
from tools.simex.config import ConfigError, load_config


class OneLine(logging.Formatter):
    """Libraries' messages on one line: a refused handshake is the client's affair and no reason for a traceback."""

    def formatException(self, ei: object) -> str:
        return ""


def set_up_logging() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("simex: %(name)s: %(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simex", description=__doc__)
    parser.add_argument(
        "--config", type=Path, default=None, help="JSON or YAML; the simex section, or a whole config that has one"
    )
    parser.add_argument("--run-dir", type=Path, required=True, help="where simex.json, keys and the control socket go")
    parsed = parser.parse_args(arguments)
    set_up_logging()
    try:
        config = load_config(parsed.config)
        return run(config, parsed.run_dir.resolve())
    except ConfigError as error:
        print(f"simex: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
