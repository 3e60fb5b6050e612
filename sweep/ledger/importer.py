"""A whole sweep from one file (`sweep.ledger.export_format`) into a new ledger, a journal file or a database.

An import writes the `id` of the sweep's own study last. Without it a ledger holds no sweep, so that an import that died
is simply repeated.
"""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import optuna
import yaml
from optuna.distributions import json_to_distribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter, ValidationError

from sweep.errors import LedgerError, StoredSweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.export_format import ExportedSweep, ExportedTrial, belongs, first_line
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import exclusive, open_storage
from sweep.ledger.stored import ledger_place
from sweep.records.results import SweepResults
from sweep.spec.cells import cells
from sweep.spec.mistakes import mistakes_of
from sweep.spec.model import SweepSpec

__all__ = ["import_sweep"]


def import_sweep(file: Path, root: Path, ledger: str | None) -> str:
    """Make a sweep in `root` from an exported file; what was done, in a sentence.

    ledger: a postgresql:// address, as in a spec; None: a journal file in the sweep's folder. Raises
    StoredSweepError if the file is no whole export, and LedgerError if the address is none, or if the place already
    holds a sweep of that name.
    """
    exported, spec = _read(file)
    spec = _moved(spec, ledger)
    directory = SweepDirectory(root / spec.name)
    place = ledger_place(spec, directory)
    directory.create()
    with directory.locked(), exclusive(place, spec.name):
        storage = open_storage(place, write=True, name=spec.name)
        if Ledger(storage, spec.name).exists():
            raise LedgerError(
                f"an import makes a new sweep; one named {spec.name!r} has begun in {place}; choose another place with "
                "--dir or --ledger"
            )
        _clear(storage, spec.name)
        _fill(storage, exported)
        directory.write_spec(yaml.safe_dump(spec.resolved(), sort_keys=False, allow_unicode=True))
        _begin(storage, exported)
    words = ["--set", f"ledger={spec.ledger or 'null'}", *([] if spec.ledger else ["--dir", str(root)])]
    same = f"`{shlex.join(words)}`"
    return f"{spec.name}: {exported.contents()} are in {place}; `python -m sweep run SPEC.yaml` with {same} resumes it"


# ---- into a ledger ---------------------------------------------------------------------------------------------------

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def _read(file: Path) -> tuple[ExportedSweep, SweepSpec]:
    """What an export wrote, and its spec. Raises LedgerError for anything else."""
    try:
        exported = ExportedSweep.model_validate(json.loads(file.read_text(encoding="utf-8")))
        spec = _spec(exported)
        _rehearse(exported, spec)
    except OSError as error:
        raise StoredSweepError(
            f"the file of an import must be readable; {file} is not ({error.strerror or error}); correct its path or "
            "its rights"
        ) from error
    except _DAMAGE as error:
        raise StoredSweepError(
            f"what is imported must be a file that `python -m sweep export` wrote; {file} is not, or it is damaged "
            f"({first_line(error)}); export the sweep again where its ledger lies"
        ) from error
    return exported, spec


def _spec(exported: ExportedSweep) -> SweepSpec:
    try:
        return SweepSpec.recorded({**exported.spec, "ledger": None})
    except ValidationError as error:
        raise ValueError("; ".join(mistake.at("spec") for mistake in mistakes_of(error))) from error


def _moved(spec: SweepSpec, ledger: str | None) -> SweepSpec:
    """The spec with its ledger at another place."""
    try:
        return SweepSpec.recorded({**spec.resolved(), "ledger": ledger})
    except ValidationError as error:
        raise LedgerError("\n".join(f"--ledger: {mistake}" for mistake in mistakes_of(error))) from error


def _rehearse(exported: ExportedSweep, spec: SweepSpec) -> None:
    """Import into memory, where damage does no harm, and read it as reports and runs do. Raises what they raise."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = InMemoryStorage()
    _fill(storage, exported)
    _begin(storage, exported)
    ledger = Ledger(storage, spec.name)
    ledger.read()
    results = ledger.results()
    records = TypeAdapter(SweepResults)
    text = json.dumps(records.dump_python(results, mode="json", warnings=False), ensure_ascii=False)
    records.validate_json(text.encode(errors="replace"), strict=True)  # half a character, as in a message, may stay
    known = {(trial.cell, trial.number) for trial in results.trials}
    for each in results.confirmations:
        if (each.cell, each.trial) not in known:
            raise ValueError(f"the trial of {each.key!r} is not there")
    with suppress(LedgerError):  # a protocol of another version can be looked at; only a run refuses it
        Ledger(storage, spec.name).begin(spec.resolved(), cells(spec), {})


def _clear(storage: BaseStorage, name: str) -> None:
    """Remove what an import that died has left."""
    for study in storage.get_all_studies():
        if belongs(study.study_name, name):
            storage.delete_study(study._study_id)


def _fill(storage: BaseStorage, exported: ExportedSweep) -> None:
    """Write all but the `id`."""
    for study in exported.studies:
        study_id = storage.create_new_study([StudyDirection.MAXIMIZE], study.name)
        for key, value in study.user_attrs.items():
            if (study.name, key) != (exported.name, "id"):
                storage.set_study_user_attr(study_id, key, value)
        for trial in study.trials:
            storage.create_new_trial(study_id, template_trial=_frozen(study.name, trial))


def _begin(storage: BaseStorage, exported: ExportedSweep) -> None:
    """Write the `id`: from here on there is a sweep."""
    study_id = storage.get_study_id_from_name(exported.name)
    storage.set_study_user_attr(study_id, "id", exported.root.user_attrs["id"])


def _frozen(study: str, trial: ExportedTrial) -> FrozenTrial:
    """Raises ValueError for what Optuna does not take."""
    noted = {name: each.distribution.model_dump_json() for name, each in trial.params.items()}
    try:
        frozen = FrozenTrial(
            number=trial.number,
            trial_id=-1,  # the storage gives it one
            state=TrialState[trial.state],
            value=None,
            values=trial.values,
            params={name: each.value for name, each in trial.params.items()},
            distributions={name: json_to_distribution(each) for name, each in noted.items()},
            user_attrs=dict(trial.user_attrs),
            system_attrs=dict(trial.system_attrs),
            intermediate_values=trial.intermediate_values,
            datetime_start=_moment(trial.datetime_start),
            datetime_complete=_moment(trial.datetime_complete),
        )
        frozen._validate()
    except _DAMAGE as error:
        raise ValueError(f"trial {trial.number} of {study!r}: {error}") from error
    return frozen


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds)  # local, without a zone, as Optuna has them
