"""What a sweep takes on a cluster: the sums, and their words."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from sweep.cli.cost import print_cost
from sweep.cli.plan import print_plan
from sweep.display.formats import duration
from sweep.errors import ClusterError, SpecError
from sweep.remote.cluster_file import fit_to_cluster, read_cluster_file
from sweep.scheduling.workload import Work
from sweep.spec.reader import load_spec

CLUSTERS = Path(__file__).parents[2] / "cluster"
WORK = Work(search=7 * 3600.0, pruned=4 * 3600.0, deciders=3600.0, confirmation=3600.0, first_look=3600.0, chain=1200.0)
PRICES = "prices={g6.xlarge: [0.4, 0.8], m6i.xlarge: 0.2}"


def printed_cost(*overrides: str, file: str = "gpu.yaml", measured: bool = False) -> str:
    cluster = read_cluster_file(CLUSTERS / file)
    spec = fit_to_cluster(load_spec("quickstart", ["resources.gpu=auto", *overrides]), cluster)
    out = io.StringIO()
    print_cost(Console(file=out, width=200), spec, cluster, WORK, measured=measured)
    return out.getvalue()


def test_the_whole_cluster_works_side_by_side() -> None:
    assert printed_cost(PRICES) == (
        "machines: 4 x g6.xlarge on the spot market, 1 trial on each at once\n"
        "time: 1:15:00 to 2:30:00, at the pace that was given\n"
        "  least: pruning stops all that it may, which leaves 57% of the search\n"
        "  most: no trial is stopped, and the longest one begins last\n"
        # (4 x 0.4 + 0.2) x (1.25 h + 4 min), (4 x 0.8 + 0.2) x (2.5 h + 4 min)
        "cost: 2.37 to 8.73 USD, with the head for as long as the sweep runs and 4:00 for machines to start; without "
        "disks, traffic, and a head that stays\n"
    )


def test_machines_on_demand_have_the_upper_price() -> None:
    # 4 x 0.4 + 0.3, 4 x 0.8 + 0.3: the head is on demand
    assert "cost: 2.50 to 8.98 USD" in printed_cost("prices={g6.xlarge: [0.4, 0.8], m6i.xlarge: [0.1, 0.3]}")


def test_fewer_trials_at_once_need_fewer_machines() -> None:
    assert "machines: 2 x g6.xlarge on the spot market, 2 trials on each" in printed_cost(
        "resources.gpu=0.5", "budget.concurrency=3"
    )


def test_without_prices_it_says_how_to_get_the_cost() -> None:
    assert "cost: unknown; write `prices: {m6i.xlarge: ..., g6.xlarge: ...}` into the spec" in printed_cost()
    assert "at the pace of this machine, which a GPU exceeds by far" in printed_cost(measured=True)


def test_own_machines_cost_nothing_and_are_not_counted() -> None:
    told = printed_cost(file="onprem.yaml")
    assert "as many trials at once as those that are there can hold" in told
    assert "cost" not in told


def test_a_machine_without_a_price_is_named() -> None:
    with pytest.raises(ClusterError, match=r"lacks m6i\.xlarge; add `m6i\.xlarge: 0\.80`"):
        printed_cost("prices={g6.xlarge: 0.5}")


@pytest.mark.parametrize("price", ["-1", "[2, 1]", "[1, 2, 3]", "cheap", "[1, x]", ".nan", "true", "{}"])
def test_what_is_no_price_is_refused(price: str) -> None:
    with pytest.raises(SpecError, match=r"USD per hour: a number, or \[low, high\]"):
        load_spec("quickstart", [f"prices={{g6.xlarge: {price}}}"])


def test_the_plan_of_a_cluster_counts_pruning_and_confirmations() -> None:
    out = io.StringIO()
    spec = load_spec("quickstart", ["resources.gpu=auto", "budget.concurrency=1", PRICES])
    cluster = read_cluster_file(CLUSTERS / "gpu.yaml")
    print_plan(Console(file=out, width=200), spec, timed=False, cluster=cluster, training_seconds=10.0)
    trials, confirmations = 6 * 2 * 10, 4 * spec.confirm.replicates * 10
    # ASHA, factor 2: one of six trials passes all rungs, the others end at the first: report 1 of 4, with frozen of 2
    low = 3 * trials * (1 + 5 / 4) / 6 + trials * (1 + 5 / 2) / 6 + confirmations
    assert f"time: {duration(low)} to {duration(4 * trials + confirmations)}" in out.getvalue()
