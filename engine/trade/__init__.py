"""The calm floor of the core: transaction states, recovery, unknown orders, ledger, attribution. Sans-I/O; docs/order-flow.md
tells the story."""
