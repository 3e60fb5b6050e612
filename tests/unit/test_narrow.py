from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from sweep.display.narrow import fitted


def printed(width: int) -> list[str]:
    table = Table(title="mine: finished", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("cell", "trials", "test score", "best configuration"):
        table.add_column(name, no_wrap=name in ("cell", "test score"))
    for key in ("mine/4/frozen", "mine/4/metric_then_head+soft_triple"):
        table.add_row(key, "2 completed", "0.800 (3 draws)", "encoder_lr=0.00014 loss.centers_per_class=10")
    output = io.StringIO()
    console = Console(file=output, width=width, color_system=None)
    console.print(fitted(table, console))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_a_wide_terminal_has_the_table() -> None:
    title, head, first, *_ = printed(140)
    assert (title, head.split()[0], first.split()[0]) == ("mine: finished", "cell", "mine/4/frozen")


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_a_narrow_terminal_loses_nothing(width: int) -> None:
    lines = printed(width)
    assert max(map(len, lines)) <= width
    together = "".join("".join(lines).split())
    for said in ("mine/4/frozen", "mine/4/metric_then_head+soft_triple", "trials2completed", "testscore0.800(3draws)"):
        assert said in together
    assert together.count("encoder_lr=0.00014loss.centers_per_class=10") == 2
