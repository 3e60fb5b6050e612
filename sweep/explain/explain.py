"""An arm of a stored sweep explained: one page and its data in a folder."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import FolderError, StoredSweepError
from sweep.explain.distance_section import distance_section
from sweep.explain.geometry_section import geometry_rows, geometry_section
from sweep.explain.label_section import label_rows, label_section
from sweep.explain.material import Material, gathered
from sweep.explain.next_section import WorthLabelling, next_rows, next_section, worth_labelling
from sweep.explain.prediction_sections import (
    check_rows,
    check_section,
    deciding_words,
    prediction_rows,
    prediction_section,
    word_section,
)
from sweep.explain.predictions import ArmPredictions, Texts, arm_predictions
from sweep.explain.reliability_section import reliability, reliability_section
from sweep.explain.slice_sections import error_section, flip_section, slice_section, sliced
from sweep.ledger.stored import check_unchanged, find_stored, read_stored
from sweep.records.sweep import DataRecord
from sweep.report.chart import Row, csv_text, json_text
from sweep.report.files import in_writable, prepare_folder, write_figure, write_file
from sweep.report.layout import render_document
from sweep.report.section import Section
from sweep.verdict import verdict
from sweep.verdict.chosen import chosen_arm
from sweep.verdict.wording import METRICS
from trainable.datasets import load
from trainable.datasets.text_data import TextData, pair_column
from trainable.datasets.text_files import read_texts
from trainable.inputs import forget_inputs
from trainable.outcomes import Outcome

__all__ = ["Explanation", "explain_stored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What was written.

    page: the HTML page; its data are beside it.
    cell: of the arm.
    sentence: how many labels are doubtful, and what the arm gets right.
    """

    page: Path
    cell: str
    sentence: str


def explain_stored(
    name: str,
    root: Path,
    *,
    arm: str | None = None,
    out: Path | None = None,
    texts: Path | None = None,
    unlabelled: Path | None = None,
    most: int = 20,
    draws: int = 2,
    told: Callable[[str], None] = lambda said: None,
) -> Explanation:
    """Explain an arm of a stored sweep from what its confirmation predicted, and write the page and its data.

    arm: its cell, as `trec/8/soft_triple`; by default the best one, where the sweep has a single comparison.
    out: the folder to write; by default one of the arm's own in that of the sweep.
    texts: a file of texts whose predictions are explained too, in the column that the dataset has them in.
    unlabelled: a file of texts, in the same column, of which those are named that are worth a label.
    most: how many of these.
    draws: how many draws of the confirmation are trained once more, to explain single predictions; with 0 nothing is
        trained, and there are none.
    told: called with what is done now, in a few words.

    Raises StoredSweepError for a sweep or an arm that is not there or not confirmed, or of which no predictions are on
    record, LedgerError if data or encoder are not those of the sweep, TrainableError for what cannot be read, and
    FolderError for a folder that cannot be written.
    """
    forget_inputs()
    directory, _ = find_stored(name, root)
    spec, ledger = read_stored(name, root)
    found = verdict(ledger.results())
    comparison, chosen = chosen_arm(found, arm, spec.name, "an explanation is of a confirmed arm")
    check_unchanged(spec, ledger, chosen.cell)
    assert chosen.confirmation is not None, "an arm without a confirmation is not chosen"
    config = chosen.confirmation.config.dataset
    data = load(config)
    columns = (config.text, pair_column(config, data.test))
    given = None if texts is None else _given(texts, columns, draws)
    others = None if unlabelled is None else read_texts(unlabelled, *columns)
    _check_rows(data, ledger.sweep().data.get(comparison.dataset), spec.name)
    material = gathered(found, comparison, chosen, data, spec.name)
    folder = out or directory.explanations / _folder_name(chosen.cell)
    if others is not None:
        told(f"embedding the {len(others[0]):,} texts without labels")
    worth = worth_labelling(material, others, most)
    predictions = arm_predictions(material, draws, given, told)
    page = _write(material, predictions, worth, folder, spec.name)
    return Explanation(page=page, cell=chosen.cell, sentence=_sentence(material))


def _given(file: Path, columns: tuple[str, str | None], draws: int) -> Texts:
    if not draws:
        raise FolderError(
            f"texts are explained by a model, and with --draws 0 none is trained; received {file}: leave --draws out"
        )
    return read_texts(file, *columns)


def _check_rows(data: TextData, record: DataRecord | None, name: str) -> None:
    """Raise StoredSweepError unless the test rows are those whose predictions are on record; versions that took no
    digests of data kept their labels at least, or nothing."""
    known = None if record is None or record.labels is None else record.labels.judged.tolist()
    if known is not None and known != data.test.labels_N.tolist():
        raise StoredSweepError(
            f"an explanation needs the test rows that {name!r} was scored on; their labels have changed: bring "
            "back the data of then, or run the sweep anew under another name"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    """What is written: the sections of the page, and by name the tables that lie beside it."""

    sections: tuple[Section, ...]
    tables: Mapping[str, Sequence[Row]]


def _contents(material: Material, predictions: ArmPredictions | None, worth: WorthLabelling | None) -> _Contents:
    sure, lying = reliability(material), geometry_rows(material)
    arm, words = sliced(material), deciding_words(material, predictions)
    shown, shown_words = prediction_rows(predictions)
    sections = (
        label_section(material),
        next_section(worth),
        slice_section(material, arm),
        error_section(material, arm),
        flip_section(material, arm),
        distance_section(material),
        reliability_section(material, sure),
        geometry_section(material, lying, None if predictions is None else predictions.trained),
        prediction_section(material, predictions),
        check_section(predictions),
        word_section(material, words),
    )
    tables = {"doubtful_labels": label_rows(material), "slices": arm.slices, "errors": arm.errors, "flips": arm.flips}
    tables |= {"next_labels": next_rows(worth), "reliability": sure.rows, "geometry": lying}
    tables |= {"predictions": shown, "words": shown_words, "checks": check_rows(predictions), "deciding_words": words}
    return _Contents(sections=sections, tables=tables)


def _write(
    material: Material, predictions: ArmPredictions | None, worth: WorthLabelling | None, folder: Path, name: str
) -> Path:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    contents = _contents(material, predictions, worth)
    charts = [chart for section in contents.sections for chart in section.charts]
    images = {chart.name: chart.images() for chart in charts}
    page = render_document(
        title=f"{name}: {material.arm.cell} explained",
        lead="Which labels look wrong, where does it err, and why?",
        notes=(_sentence(material),),
        sections=contents.sections,
        images=images,
        files="Each list lies beside this page as CSV and JSON, whole; each figure as PNG, CSV and JSON.",
    )
    with in_writable(folder, "an explanation"):
        prepare_folder(folder, images)
        for chart in charts:
            write_figure(folder / "figures", chart, images[chart.name])
        for table, rows in contents.tables.items():
            write_file(folder / f"{table}.csv", csv_text(rows))
            write_file(folder / f"{table}.json", json_text(rows))
        return write_file(folder / "explain.html", page)


def _sentence(material: Material) -> str:
    disputed = sum(each.disputed for each in material.doubtful)
    assert material.arm.summary is not None, "the arm is confirmed"
    assert material.arm.winner is not None, "a confirmed arm has a winner"
    metric = METRICS[material.arm.winner.config.metric]
    mean = 100 * material.arm.summary.mean
    return (
        f"{disputed:,} of {len(material.rows):,} labels are not what models that have not trained on the row say most "
        "often. "
        f"The arm's {metric} is {mean:.1f} % on {material.arm.tested or len(material.data.test):,} test rows."
        f"{_without_predictions(material)}"
    )


def _without_predictions(material: Material) -> str:
    """That its score counts draws of which all that follows knows nothing: a training that diverged predicts nothing,
    and is scored as one that always answers the majority class."""
    assert material.arm.summary is not None, "the arm is confirmed"
    assert material.arm.confirmation is not None, "the arm is confirmed"
    ended = [each.evaluation for each in material.arm.confirmation.replicates if not each.evaluation.initialisation]
    diverged = sum(each.outcome is Outcome.DIVERGED for each in ended)
    if not diverged:
        return ""
    of = f"Of its {material.arm.summary.n} draws, {diverged} diverged"
    return f" {of} and predicted nothing: all else on the page is of the others."


def _folder_name(cell: str) -> str:
    """A name of letters and digits for a cell, whose own may hold any character; different for different cells."""
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", cell.replace("/", "__")).strip(".-")[:80]
    same = plain.replace("__", "/") == cell
    return plain if same else f"{plain}-{hashlib.sha256(cell.encode()).hexdigest()[:8]}"
