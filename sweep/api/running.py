"""A sweep that a program or a notebook runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sweep.api.frames import Frames, spec_with
from sweep.api.process import alone, undisturbed
from sweep.api.result import Result, result_in
from sweep.driver import Display
from sweep.driver import run as drive
from sweep.errors import SpecError
from sweep.ledger.directory import SweepDirectory
from sweep.spec.model import SweepSpec
from sweep.spec.reader import read_layers, yaml_text

__all__ = ["checked_spec", "run"]

logger = logging.getLogger(__name__)


def run(
    spec: str | Path | Mapping[str, Any],
    *,
    data: Frames | None = None,
    test: Frames | None = None,
    overrides: Mapping[str, Any] | None = None,
    root: str | Path = "sweeps",
    address: str | None = None,
    progress: bool = True,
) -> Result:
    """Run a sweep to its end, or resume it, as `python -m sweep run` does, and return what came of it.

    spec: a YAML file, the name of a preset, or a mapping like the content of such a file. A mapping without a name is
        the sweep `sweep`.
    data: a DataFrame with the columns `text` and `label`, or those that the dataset's entry in the spec names; by name
        of its dataset where there are several. It is copied into the sweep's folder.
    test: likewise, a test part of your own; without one, a share of the data is held out.
    overrides: values by dotted field, as `{"budget.trials_per_cell": 32}`.
    root: the folder that holds the sweeps, each in a folder of its name.
    address: the Ray cluster to join; by default the one that this process has joined, or RAY_ADDRESS, or Ray on this
        machine for as long as the sweep runs.
    progress: whether to show how far the sweep is, in a notebook's cell or on standard error. Nothing else is printed.

    Raises SweepError or TrainableError for what is wrong, in the words of the command line. Ctrl-C, or an interrupted
    cell, ends the sweep as the command line does, keeps all that has ended, and raises KeyboardInterrupt. While another
    thread runs a sweep, it waits.
    """
    if not isinstance(spec, str | Path | Mapping):
        raise SpecError([f"a spec is a path, the name of a preset, or a mapping; received {type(spec).__name__}"])
    if overrides is not None and not isinstance(overrides, Mapping):
        raise SpecError([f"overrides are a mapping from fields to values; received {type(overrides).__name__}"])
    with alone(partial(_waits, progress)), undisturbed():
        checked = checked_spec(spec, data=data, test=test, overrides=overrides, root=root)
        directory = SweepDirectory(Path(root) / checked.name)
        ended = drive(checked, directory, address=address, display=_display(progress))
    if ended.signalled:
        raise KeyboardInterrupt
    problem = ended.projection.problem
    notes = (*ended.notes, *([f"MLflow: {ended.projection}"] if problem or ended.projection.missing else []))
    return result_in(directory.path, ended.ledger.results(), notes)


def checked_spec(
    spec: str | Path | Mapping[str, Any],
    *,
    data: Frames | None,
    test: Frames | None = None,
    overrides: Mapping[str, Any] | None,
    root: str | Path,
) -> SweepSpec:
    """The spec of a sweep that `run` is asked for, whose tables are written into its folder. Raises SweepError or
    TrainableError for what is wrong."""
    given = [f"{name}={_text(name, value)}" for name, value in (overrides or {}).items()]
    return spec_with(read_layers(spec, given), data, test, Path(root))


def _waits(progress: bool) -> None:
    if progress:
        logger.warning("a sweep of this process is running in another thread; this one begins when it has ended")


def _text(name: str, value: Any) -> str:
    try:
        return yaml_text(value)
    except (TypeError, ValueError) as error:
        raise SpecError([f"--set {name}: a value is a number, a text, a list or a mapping; received {error}"]) from None


def _display(progress: bool) -> Display:
    from sweep.display.notebook import NotebookProgress, in_notebook
    from sweep.display.progress import NoProgress, Progress

    if not progress:
        return NoProgress()
    if in_notebook():
        return NotebookProgress()
    from rich.console import Console

    return Progress(Console(stderr=True, highlight=False, markup=False, emoji=False))
