"""What the engine asks of its host at start: a core of its own, memory that stays in RAM, no garbage collection in mid-flight.

Each function returns a sentence for the log when the host did not grant what was asked; nothing here is fatal."""
import ctypes
import gc
import os
import resource

MCL_CURRENT, MCL_FUTURE = 1, 2
PR_SET_DUMPABLE = 4
PR_SET_TIMERSLACK = 29
FILES_MIN = 4096


def pin(cpu: int | None) -> str | None:
    """Run this process on one CPU."""
    if cpu is None:
        return None
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        return f"cannot pin to cpu {cpu}: {error.strerror}; it runs where the kernel puts it"
    return None


def lock_memory() -> str | None:
    """mlockall for what is mapped and what will be. Needs CAP_IPC_LOCK or a sufficient RLIMIT_MEMLOCK."""
    if ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT | MCL_FUTURE) == 0:
        return None
    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    limit = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft // 1024} KiB"
    return (f"memory is not locked ({os.strerror(ctypes.get_errno())}; limit {limit}): a page fault may cost a trade its time. "
            "Allow it with LimitMEMLOCK=infinity (systemd) or ulimit -l unlimited")


def allow_files() -> str | None:
    """Sockets, segments and mappings need open files: the soft limit goes up to what the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES_MIN:
        wanted = FILES_MIN if hard == resource.RLIM_INFINITY else min(FILES_MIN, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        if wanted < FILES_MIN:
            return (f"this process may open {wanted} files, right is {FILES_MIN}: a venue that reconnects may find none left. "
                    f"Allow it with LimitNOFILE={FILES_MIN} (systemd) or ulimit -n {FILES_MIN}")
    return None


def forbid_dumps() -> None:
    """No core file and no /proc/<pid>/mem for others: keys live in this memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


def freeze_gc() -> None:
    """What exists now is never looked at again; collections happen only when `collect_when_idle` is called."""
    gc.collect()
    gc.freeze()
    gc.disable()


def collect_when_idle() -> int:
    """A young collection, for moments without an open order."""
    return gc.collect(0)
