"""`python -m engine --check CONFIG`: say what a configuration means, or what is wrong with it. Starts nothing, opens no
socket."""

import os
import sys
from typing import TextIO

from engine.config import ConfigError, config_hash, dump_effective, load


def check_config(path: str | os.PathLike[str], out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Print the effective configuration and its hash; returns the exit code: 0 good, 2 refused with the reasons on `err`."""
    try:
        config = load(path)
    except ConfigError as error:
        print(error, file=err)
        return 2
    print(dump_effective(config).decode(), file=out)
    print(f"config_hash {config_hash(config)}", file=out)
    return 0
