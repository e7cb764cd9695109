"""The simulation as a judge: thousands of seeded scenarios a minute of the calm floor, its journal and its restarts against
simulated venues under a virtual clock. `make dst`; docs/simulation.md says what is real in it and what is not."""
