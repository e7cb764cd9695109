"""Child processes: started in sessions of their own, pinned, watched, restarted with back-off, stopped in order.

A child gets SIGTERM when the supervisor dies (PR_SET_PDEATHSIG), so nothing survives a killed terminal; Ctrl-C in the terminal
does not reach children, because they are in sessions of their own: the order of stopping is the supervisor's."""
import ctypes
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1
BACKOFF_FIRST_S = 0.2
BACKOFF_LAST_S = 10.0
EXIT_WRONG_CONFIG = 2   # a child that says so will say it again
STARTS_MAX = 5          # within STARTS_WINDOW_S, then the child stays down and everything stops
STARTS_WINDOW_S = 60.0


@dataclass
class Child:
    """One process. `cpus` = set to pin to, empty = leave; `restart` = start again after an unexpected end; `ends_with_0`: an end
    with code 0 is an orderly one, nothing starts it again."""

    name: str
    argv: list[str]
    log_path: pathlib.Path
    cpus: frozenset[int] = frozenset()
    restart: bool = False
    ends_with_0: bool = False
    stop_timeout_s: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)
    is_stopping: bool = False

    def start(self) -> None:
        """Start it; its output is appended to its log file."""
        cpus = self.cpus

        def prepare() -> None:  # runs in the child, between fork and exec
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if cpus:
                os.sched_setaffinity(0, cpus)

        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True, preexec_fn=prepare)  # noqa: PLW1509 - no threads here
        self.starts = [at for at in self.starts if at > time.monotonic() - STARTS_WINDOW_S] + [time.monotonic()]

    def returncode(self) -> int | None:
        """None while it runs."""
        return None if self.process is None else self.process.poll()

    def last_words(self, count: int = 12) -> str:
        """The end of its log, for a person."""
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""

    def terminate(self) -> None:
        """Ask it to stop; see `wait`."""
        self.is_stopping = True
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, tick: Callable[[], None] = lambda: None) -> bool:
        """Wait for the end, killing it after its time-out. Returns whether it ended by itself."""
        if self.process is None:
            return True
        deadline = time.monotonic() + self.stop_timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            tick()
            time.sleep(0.02)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return False
        return True


class Watch:
    """Looks at the children once in a while: restarts those that may be, and says when the run cannot go on."""

    def __init__(self, children: list[Child], say: Callable[[str], None]) -> None:
        self._children = children
        self._say = say
        self._restart_at: dict[str, float] = {}

    def check(self) -> str | None:
        """One look. Returns the reason why everything has to stop, or None."""
        for child in self._children:
            code = child.returncode()
            if code is None or child.is_stopping or child.process is None:
                continue
            if not child.restart or code == EXIT_WRONG_CONFIG or (code == 0 and child.ends_with_0):
                return f"{child.name} ended with code {code}:\n{child.last_words()}"
            if child.name not in self._restart_at:
                recent = len(child.starts)
                if recent >= STARTS_MAX:
                    return f"{child.name} ended {recent} times within {STARTS_WINDOW_S:.0f} s, last with code {code}:\n{child.last_words()}"
                delay_s = min(BACKOFF_FIRST_S * 2 ** (recent - 1), BACKOFF_LAST_S)
                self._restart_at[child.name] = time.monotonic() + delay_s
                self._say(f"{child.name} ended with code {code}; starting again in {delay_s:.1f} s")
            elif time.monotonic() >= self._restart_at[child.name]:
                del self._restart_at[child.name]
                child.start()
        return None
