"""A few deaths among real processes in the ordinary test run; `make chaos` has hundreds."""
from tests.chaos.runs import run_batch


def test_a_few_deaths_lose_nothing_and_leave_nothing_naked(request):
    seed = request.config.getoption("--seed") or 1001
    result = run_batch(seed, 4)
    assert result.violations == [], f"again: python -m tests.chaos --runs 4 --seed {seed}"
    assert result.kills >= 1 and result.orders > 8, "nothing was tested"
    print(f"start to reconciled: {result.reconciled_s} s")
