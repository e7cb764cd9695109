"""An engine that was killed comes back: what it knew is read from its journal, what it does not know is proven, what is
unhedged is closed, what is held stays held; then it trades. docs/restart.md.

    scan.py       the run's journal, epochs before this one, onto one clock; how earlier lives ended
    sequence.py   the steps of the start, from the scan to "reconciled"

The replay itself is sans-I/O: engine/trade/restore.py."""
