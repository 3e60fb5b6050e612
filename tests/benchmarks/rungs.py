"""A comparison of rung rules on real few-shot scores: which of them find better configurations.

`python -m tests.benchmarks.rungs table` trains random configurations of four losses on TREC and CR to the end, once,
and keeps their scores in results/rungs.json; begun again, it measures what is missing. `... compare` replays rung rules
on that table in many random orders of configurations and draws, at equal compute, and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.options import count
from tests.benchmarks.rung_rules import Rule, gain, replay, rules
from tests.benchmarks.rung_table import Protocol, RungTable, RungTableError, fill

__all__ = ["compare", "main", "populations"]

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).parent / "results" / "rungs.json"

Scores = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the two commands. Returns 0, or 1 with a message if the table cannot serve."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except RungTableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


# ---- the table -------------------------------------------------------------------------------------------------------


def _make_table(options: argparse.Namespace) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a process starts: each has one core
    protocol = Protocol(
        shots=options.shots, evaluations=options.evaluations, steps=options.steps, validation=options.validation
    )
    table = RungTable.read(options.table) if options.table.exists() else RungTable(protocol, {})
    if table.protocol != protocol:
        raise RungTableError(
            f"all scores of a table share one protocol: {options.table} has {table.protocol.plain()}; received "
            f"{protocol.plain()}: give the same, or another file (--table)"
        )

    def measured(cell: str, configuration: int, draw: int) -> None:
        table.write(options.table)
        print(f"{cell}  configuration {configuration}  draw {draw}", flush=True)

    chosen = protocol.cells(options.data, options.datasets, options.losses)
    # Spawned, since torch's threads do not survive a fork.
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        size = {"configurations": options.configurations, "draws": options.draws}
        fill(table, chosen, **size, pool=pool, measured=measured)
    print(f"complete: {options.table}")


# ---- the comparison --------------------------------------------------------------------------------------------------


def compare(
    scores_KNE: Scores, *, search_draws: int, budgets: Sequence[int], repeats: int, evaluation_share: float, factor: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for each budget and rule: gain, its standard error over the repeats, and compute spent (replicates).

    The gain is that of the chosen configuration over the mean one, in points, on the draws that the search did not see.
    Each repeat has a random order of configurations and of draws, the same for all rules; its first `search_draws`
    draws are those of the search. The standard error is that of the replay: the table itself has only so many draws.
    """
    compared = rules(search_draws, scores_KNE.shape[2])
    found: dict[tuple[int, Rule], list[tuple[float, float]]] = {}
    for repeat in range(repeats):
        shuffled_KNE = _shuffled(scores_KNE, repeat)
        for budget in budgets:
            for rule in compared:
                choice = replay(
                    shuffled_KNE[:, :search_draws],
                    rule,
                    budget=budget,
                    evaluation_share=evaluation_share,
                    reduction_factor=factor,
                )
                points = gain(shuffled_KNE, choice.configuration, search_draws)
                found.setdefault((budget, rule), []).append((points, choice.spent))
    for (budget, rule), results in found.items():
        points_and_spent = np.array(results)
        yield {
            "budget": budget,
            "rule": rule.name,
            "gain": round(float(points_and_spent[:, 0].mean()), 3),
            "standard_error": round(float(points_and_spent[:, 0].std(ddof=1)) / repeats**0.5, 3),
            "spent": round(float(points_and_spent[:, 1].mean()), 2),
        }


def populations(table: RungTable, losses: str, draws: int) -> Mapping[str, Scores]:
    """Return scores_KNE by cell, without the cells that have fewer complete draws than `draws`.

    losses: with `searched` the configurations of all losses compete, as in a spec that searches the loss; with `each`,
        those of one loss.
    """
    found: dict[str, list[Scores]] = {}
    for cell, scores in table.cells.items():
        complete_KNE = scores.complete()
        if complete_KNE.ndim == 3 and complete_KNE.shape[1] >= draws:
            key = cell if losses == "each" else f"{cell.rpartition('/')[0]}/searched"
            found.setdefault(key, []).append(complete_KNE)
        else:
            print(f"left out: {cell} has fewer than {draws} complete draws", file=sys.stderr)
    return {
        key: np.concatenate([part[:, : min(other.shape[1] for other in parts)] for part in parts])
        for key, parts in found.items()
    }


def _shuffled(scores_KNE: Scores, repeat: int) -> Scores:
    rng = np.random.default_rng(repeat)
    configurations, draws = scores_KNE.shape[:2]
    return scores_KNE[rng.permutation(configurations)][:, rng.permutation(draws)]


def _compare(options: argparse.Namespace) -> None:
    table = RungTable.read(options.table)
    found = populations(table, options.losses, options.search_draws + 1)
    if not found:
        raise RungTableError(
            f"a comparison needs a draw that the search does not see: {options.table} has no cell with "
            f"{options.search_draws + 1} complete draws; measure more, or lower --search-draws"
        )
    results = {}
    for cell, scores_KNE in found.items():
        results[cell] = list(
            compare(
                scores_KNE,
                search_draws=options.search_draws,
                budgets=options.budgets,
                repeats=options.repeats,
                evaluation_share=options.evaluation_steps / table.protocol.steps,
                factor=options.reduction_factor,
            )
        )
        size = "{} configurations, {} draws, {} evaluations".format(*scores_KNE.shape)
        print(f"\n{cell} ({size}), {options.search_draws} draws searched, {options.repeats} repeats\n")
        print(markdown(results[cell]))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of gains (points) and standard errors by rule and budget, with the compute if some is left."""
    budgets = list(dict.fromkeys(result["budget"] for result in results))
    lines = [f"| rule | {' | '.join(f'budget {budget}' for budget in budgets)} |", "|---" * (len(budgets) + 1) + "|"]
    for rule in dict.fromkeys(result["rule"] for result in results):
        shown = " | ".join(_entry(result) for result in results if result["rule"] == rule)
        lines.append(f"| {rule} | {shown} |")
    return "\n".join(lines)


def _entry(result: Mapping[str, Any]) -> str:
    left = "" if result["spent"] > 0.98 * result["budget"] else f" (spent {result['spent']:.1f})"
    return f"{result['gain']:.2f} ± {result['standard_error']:.2f}{left}"


# ---- the command line ------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rungs", description=__doc__)
    commands = parser.add_subparsers(required=True)
    table = commands.add_parser("table", help="measure what the table lacks")
    table.set_defaults(command=_make_table)
    table.add_argument("--table", type=Path, default=TABLE, metavar="FILE")
    table.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "senteval", metavar="DIR")
    table.add_argument("--datasets", type=_names, default=("trec", "cr"), help="SentEval tasks (default: trec,cr)")
    losses = ("cross_entropy", "soft_triple", "proxy_anchor", "supcon")
    table.add_argument("--losses", type=_names, default=losses, help=f"default: {','.join(losses)}")
    table.add_argument("--shots", type=count, default=8, help="labels a class (default: 8)")
    table.add_argument("--configurations", type=count, default=16, help="of each loss and dataset (default: 16)")
    table.add_argument("--draws", type=count, default=6, help="default: 6")
    table.add_argument("--evaluations", type=count, default=4, help="in a replicate (default: 4)")
    table.add_argument("--steps", type=count, default=120, help="of a replicate: 30 an evaluation (default: 120)")
    table.add_argument("--validation", type=count, default=200, help="validation rows (default: 200)")
    table.add_argument("--processes", type=count, default=2, help="replicates at once, a thread each (default: 2)")
    comparison = commands.add_parser("compare", help="replay the rung rules on the table")
    comparison.set_defaults(command=_compare)
    comparison.add_argument("--table", type=Path, default=TABLE, metavar="FILE")
    comparison.add_argument("--losses", choices=("searched", "each"), default="searched", help="one cell or several")
    comparison.add_argument("--search-draws", type=count, default=4, help="the others judge (default: 4)")
    comparison.add_argument("--budgets", type=_counts, default=(16, 32, 64), help="replicates (default: 16,32,64)")
    comparison.add_argument("--repeats", type=count, default=500, help="random orders (default: 500)")
    comparison.add_argument("--reduction-factor", type=count, default=3, help="default: 3")
    # 200 rows of TREC take about 1 s on one thread, a step about 0.35 s (MiniLM).
    comparison.add_argument("--evaluation-steps", type=float, default=3.0, help="cost of an evaluation (default: 3)")
    comparison.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    return parser


def _counts(text: str) -> tuple[int, ...]:
    return tuple(count(number) for number in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if "" in names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"must be different names, separated by commas; received {text!r}")
    return names


if __name__ == "__main__":
    sys.exit(main())
