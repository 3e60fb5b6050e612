"""The part of the ledger that holds the trials of the search: one Optuna study for each cell.

study NAME/CELL          user attributes: protocol and inputs, what must not change under the same name; first, what
                         other sweeps suggest to try after the defaults; run/NUMBER, the MLflow run of a trial (here,
                         because a finished trial cannot be written any more)
  trial                  parameters; intermediate value n = score at evaluation n; state
    user attributes      config, params, origin (of a suggested one), started, attempts, losses (crashes in a row), lost
                         (discarded work), report/0001 ... (evaluations), outcome, reason, detail, ended
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

import optuna
from optuna.search_space import IntersectionSearchSpace
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import LedgerError
from sweep.ledger.stored_trial import known_at, trial_record
from sweep.records.trial import DiscardedWork, TrialRecord
from sweep.search.pruning import FINAL_SCORES
from sweep.search.sampler import propose
from sweep.search.study import ScoredStudy, study_of
from sweep.search.warm_start import FirstTrial
from sweep.spec.cells import Cell
from sweep.spec.fingerprint import changes, protocol_fingerprint
from sweep.spec.inputs import Digests, input_changes
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.ranges import Scalar

__all__ = ["TrialLedger"]

# Diverged trials are told as PRUNED, so that the search learns to avoid them; failed ones say nothing about their
# values.
_STATES = {
    Outcome.COMPLETED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}


class TrialLedger:
    """The trials of one sweep in its storage. Callers hold the ledger's lock."""

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._prefix = f"{name}/"
        self._begun: dict[str, Cell] = {}  # cells that this object may write to
        self._studies: dict[str, ScoredStudy] = {}
        self._first: dict[str, tuple[FirstTrial, ...]] = {}
        self._common: dict[str, IntersectionSearchSpace] = {}  # by cell, what `propose` remembers
        self._records: dict[str, TrialRecord] = {}
        self._keys: dict[str, list[str]] = {}  # of the trials of each cell
        self._trial_ids: dict[str, int] = {}
        self._last_time = 0.0  # of all that is on record
        self._last_report: dict[str, float] = {}  # by cell, when the newest of its evaluations was recorded

    def check(self, cells: Sequence[Cell], inputs: Mapping[str, Digests]) -> None:
        """Raise LedgerError if a cell's search space, protocol or inputs are not those recorded, naming what changed.

        inputs: by cell, what its dataset and encoders consist of.
        """
        recorded = set(self._recorded_cells())
        spare = sorted(recorded - {cell.key for cell in cells})
        protocols = [f"cell {key}: is in the ledger, but not in the spec" for key in spare]
        data: list[str] = []
        for cell in (cell for cell in cells if cell.key in recorded):
            attrs, now = self._load(cell.key).user_attrs, inputs.get(cell.key)
            known = {"protocol", "inputs"} <= attrs.keys() and now is not None
            if "protocol" in attrs:
                found = changes(attrs["protocol"], _json(protocol_fingerprint(cell)), movable=known)
                protocols += [f"cell {cell.key}: {change}" for change in found]
            if known and now is not None:
                data += input_changes(attrs["inputs"], now)
        refusals = [*self._refusal("search space and protocol", protocols), *self._refusal("data and encoders", data)]
        if refusals:
            raise LedgerError("\n".join(refusals))

    def _refusal(self, what: str, found: Sequence[str]) -> Iterator[str]:
        if found:
            listing = "\n  ".join(dict.fromkeys(sorted(found)))
            yield (
                f"the trials of a sweep must share {what}; sweep {self._name!r} was begun with others:\n  {listing}\n"
                "give the changed sweep another name (`--set name=...`), or undo the change"
            )

    def begin(
        self,
        cells: Sequence[Cell],
        inputs: Mapping[str, Digests],
        first: Mapping[str, Sequence[FirstTrial]] = MappingProxyType({}),
    ) -> None:
        """Create the studies of new cells, and read those that the storage holds.

        first: by cell, what a new one tries after its defaults.
        """
        recorded = set(self._recorded_cells())
        for cell in cells:
            study = self._load(cell.key) if cell.key in recorded else self._create(cell.key)
            attrs = study.user_attrs
            if "protocol" not in attrs and first.get(cell.key):
                study.set_user_attr("first", [asdict(each) for each in first[cell.key]])
            if not {"protocol", "inputs"} <= attrs.keys() and cell.key in inputs:
                study.set_user_attr("inputs", _json(inputs[cell.key]))
            if "protocol" not in attrs:  # last: with it the cell has begun
                study.set_user_attr("protocol", _json(protocol_fingerprint(cell)))
            self._begun[cell.key] = cell
            self._read_cell(cell.key)

    def without_digests(self) -> bool:
        """Whether a recorded cell was begun by a version that took no digests of its data and encoders."""
        attributes = (self._load(key).user_attrs for key in self._recorded_cells())
        return any("protocol" in attrs and "inputs" not in attrs for attrs in attributes)

    def new_cells(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells that have not begun, of which a process that died may have left a study."""
        begun = {study.study_name for study in self._storage.get_all_studies() if "protocol" in study.user_attrs}
        return [cell for cell in cells if self._prefix + cell.key not in begun]

    def inputs(self, key: str) -> Digests:
        """What the inputs of a cell consist of; nothing where no digests were taken, or without such a cell."""
        return self._load(key).user_attrs.get("inputs", {}) if key in self._recorded_cells() else {}

    def read(self) -> None:
        """Take in all that the storage holds."""
        for key in self._recorded_cells():
            self._read_cell(key)

    def all(self) -> tuple[TrialRecord, ...]:
        """Every trial, in the order in which they were asked for."""
        return tuple(self._records.values())

    def of(self, cell: str) -> tuple[TrialRecord, ...]:
        """The trials of a cell, in the order in which they were asked for."""
        return tuple(map(self._records.__getitem__, self._keys.get(cell, ())))

    def get(self, key: str) -> TrialRecord:
        """One trial by its key."""
        return self._records[key]

    def ask(self, cell: Cell, *, seed: int, budget: int) -> TrialRecord:
        """A new trial of `cell`, with values proposed by TPE; the first ones have the published defaults, and then
        what other sweeps suggest."""
        study = self._studies[cell.key]
        common = self._common.setdefault(cell.key, IntersectionSearchSpace(include_pruned=True))
        earlier, first = study.get_trials(deepcopy=False), self._first.get(cell.key, ())
        suggested = [each.params for each in first]
        trial, params = propose(cell, earlier, seed=seed, budget=budget, common=common, first=suggested)
        config = cell.config(params).flat()
        trial.user_attrs = {"started": time.time(), "attempts": 1, "params": params, "config": config}
        if 0 < len(earlier) <= len(first):
            trial.user_attrs["origin"] = first[len(earlier) - 1].origin
        return self._refresh(cell.key, self._storage.create_new_trial(study._study_id, template_trial=trial))

    def restart(self, key: str) -> TrialRecord:
        """Hand out an interrupted trial again; it resumes after its last completed replicate."""
        record, trial_id = self._records[key], self._trial_ids[key]
        self._write(trial_id, attempts=record.attempts + 1, outcome=None, reason="", ended=None)
        return self._refresh(record.cell, trial_id)

    def record(self, key: str, evaluation: Evaluation) -> TrialRecord:
        """Record one evaluation. Recording the same one twice changes nothing."""
        record, trial_id = self._records[key], self._trial_ids[key]
        if self._crashes(key):
            self._write(trial_id, losses={})
        number = evaluation.replicate * record.config.evaluations + evaluation.point
        if evaluation.outcome is None and any(known.number == number for known in record.evaluations):
            return record  # trained again, since its replicate was lost; MLflow may show it already
        self._write(
            trial_id, **{f"report/{number:04d}": {**evaluation.to_json(), "time": self._after_all(time.time())}}
        )
        updated = self._refresh(record.cell, trial_id)
        self._record_score(trial_id, updated, number)
        return updated

    def finish(self, key: str, outcome: Outcome, reason: str = "", detail: str = "") -> TrialRecord:
        """Record how a trial ended. An interrupted trial stays open and can be restarted."""
        record, trial_id = self._records[key], self._trial_ids[key]
        ended = self._after_all(time.time(), by=0.001)
        self._write(trial_id, outcome=outcome.value, reason=reason, detail=detail, ended=ended)
        if outcome in _STATES:
            value = [record.score] if outcome is Outcome.COMPLETED and record.score is not None else None
            without = outcome is Outcome.COMPLETED and value is None  # of the search, which Optuna has no state for
            self._storage.set_trial_state_values(trial_id, TrialState.PRUNED if without else _STATES[outcome], value)
        return self._refresh(record.cell, trial_id)

    def count_crash(self, key: str, replicate: str, *, stalled: bool) -> int:
        """A worker died or stalled on a trial; how often, each kind by itself, without an evaluation in between."""
        kind = "stalls" if stalled else "losses"
        times = self._crashes(key).get(kind, 0) + 1
        self._write(self._trial_ids[key], losses={**self._crashes(key), kind: times})
        return times

    def record_discarded(self, key: str, work: DiscardedWork) -> None:
        """Record work that was interrupted, and is to be done again."""
        record, trial_id = self._records[key], self._trial_ids[key]
        work = replace(work, time=self._after_all(work.time))
        self._write(trial_id, lost=[asdict(known) for known in (*record.discarded, work)])
        self._refresh(record.cell, trial_id)

    def record_run(self, key: str, run_id: str) -> None:
        """Record the MLflow run of a trial."""
        record = self._records[key]
        self._studies[record.cell].set_user_attr(f"run/{record.number}", run_id)
        self._records[key] = replace(record, run_id=run_id)

    def stops(self, key: str, rule: optuna.pruners.BasePruner) -> bool:
        """Whether the pruning rule stops the trial after its last evaluation, by what was on record at that moment: one
        that is asked again, by a run that resumes, answers as it did then."""
        record, trial = self._records[key], self._storage.get_trial(self._trial_ids[key])
        study: optuna.Study = self._studies[record.cell]
        asked = record.evaluations[-1].time
        if asked < self._last_report[record.cell]:
            study = study_of(known_at(each, asked) for each in study.get_trials(deepcopy=False))
        return rule.prune(study, trial)

    # ---- inside

    def _after_all(self, now: float, by: float = 1e-6) -> float:
        """The time, after all that is on record whatever the clock says: rungs and searches go by the order of it."""
        return max(now, self._last_time + by)

    def _recorded_cells(self) -> list[str]:
        names = [study.study_name for study in self._storage.get_all_studies()]
        return [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]

    def _load(self, cell: str) -> ScoredStudy:
        return ScoredStudy(self._prefix + cell, self._storage)

    def _create(self, cell: str) -> ScoredStudy:
        optuna.create_study(study_name=self._prefix + cell, storage=self._storage, direction="maximize")
        return self._load(cell)

    def _read_cell(self, key: str) -> None:
        study = self._studies[key] = self._load(key)
        attrs = study.user_attrs
        self._first[key] = tuple(FirstTrial(**each) for each in attrs.get("first", ()))
        for trial in study.get_trials(deepcopy=False):
            record = self._complete(key, trial)
            self._records[record.key] = replace(record, run_id=attrs.get(f"run/{record.number}"))

    def _complete(self, cell: str, trial: FrozenTrial) -> TrialRecord:
        """Take in a recorded trial, and write what a dying process may have left out of it."""
        record = self._refresh(cell, trial._trial_id)
        self._studies[cell].note(trial)
        if cell in self._begun and not trial.state.is_finished():
            for evaluation in record.evaluations:
                if evaluation.number not in trial.intermediate_values:
                    self._record_score(trial._trial_id, record, evaluation.number)
        return record

    def _config(self, cell: str, flat: Mapping[str, Scalar]) -> TrialConfig:
        """A recorded configuration, with the places where this cell's data and encoder are now."""
        begun = self._begun.get(cell)
        return TrialConfig.from_flat(flat if begun is None else begun.placed(flat))

    def _crashes(self, key: str) -> dict[str, int]:
        return dict(self._storage.get_trial(self._trial_ids[key]).user_attrs.get("losses", {}))

    def _record_score(self, trial_id: int, record: TrialRecord, number: int) -> None:
        score = next(evaluation.score for evaluation in record.evaluations if evaluation.number == number)
        self._write(trial_id, **{FINAL_SCORES: list(record.replicate_scores)})
        if score is not None:
            self._storage.set_trial_intermediate_value(trial_id, number, score)
            self._studies[record.cell].note(self._storage.get_trial(trial_id))

    def _write(self, trial_id: int, **attributes: Any) -> None:
        """Write what is not on record like that already; nothing is on record as empty. A write waits for the disk."""
        known = self._storage.get_trial(trial_id).user_attrs
        for key, value in attributes.items():
            if (value or known.get(key)) and value != known.get(key):
                self._storage.set_trial_user_attr(trial_id, key, value)

    def _refresh(self, cell: str, trial_id: int) -> TrialRecord:
        trial = self._storage.get_trial(trial_id)
        known = self._records.get(f"{cell}#{trial.number}")
        record = trial_record(cell, trial, known.config if known else self._config(cell, trial.user_attrs["config"]))
        if known is None:
            self._keys.setdefault(cell, []).append(record.key)
        self._records[record.key] = replace(record, run_id=known.run_id) if known else record
        lost = (work.time for work in record.discarded)
        self._last_time = max(self._last_time, record.ended or 0.0, *lost, *(each.time for each in record.evaluations))
        if record.evaluations:
            self._last_report[cell] = max(self._last_report.get(cell, 0.0), record.evaluations[-1].time)
        self._trial_ids[record.key] = trial_id
        return record


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value))
