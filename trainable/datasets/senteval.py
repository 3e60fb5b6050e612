"""Readers of the folders of SentEval's transfer tasks (Conneau and Kiela 2018, data/downstream) and of their copies.

Classes have the names that the hub's copies of these tasks declare, since their numbers mean nothing: SentEval, the hub
and the TripleEntropy authors each number the classes of TREC differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from trainable.dataset_config import DatasetConfig
from trainable.datasets.files import decoded
from trainable.datasets.folders import check_own, entries, read_each
from trainable.datasets.table import Part, did_you_mean, listing, shortened
from trainable.errors import DataError

__all__ = ["SENTEVAL_TASKS", "read_senteval", "task_of"]

_Cells = tuple[str, str | None, str]  # text, second sentence, label as written
_ENCODING = "latin-1"  # as SentEval's own code reads them
_SHARED_NAMES = {"train.tsv", "sentiment-train"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """One way in which a task is stored.

    folders: where the files may be below a parent folder.
    train: names of the training files.
    read: turns the files of one split into a part.
    test: names of the test files; empty where there are none.
    note: what the user should know of this data.
    """

    folders: tuple[str, ...]
    train: tuple[str, ...]
    read: Callable[[Sequence[Path]], Part]
    test: tuple[str, ...] = ()
    note: str | None = None

    def folder(self, path: Path) -> Path | None:
        """Return the folder of the training files, `path` or one below it, or None."""
        candidates = (path, *(path / name for name in self.folders))
        return next((folder for folder in candidates if _are_files(folder, self.train)), None)


def read_senteval(path: Path, config: DatasetConfig) -> dict[str, Part]:
    """Return the splits of the task `config.senteval` in its folder `path`, or below the parent folder `path`.

    Raises DataError for an unknown task, missing files, links that lead out of `path`, and lines that do not have the
    task's format.
    """
    task = _task(config)
    for layout in SENTEVAL_TASKS[task]:
        folder = layout.folder(path)
        if folder is not None:
            train = [folder / file for file in layout.train]
            check_own(path, [*train, *(folder / file for file in layout.test)])
            readers = {config.train_split: partial(_read, layout, train)}
            if layout.test and _are_files(folder, layout.test):
                readers["test"] = partial(layout.read, [folder / file for file in layout.test])
            return read_each(readers)
    raise DataError(
        f"{path}: SentEval's {task} needs {_needed(task)}, in this folder or below it; found {_found(path)}; "
        "correct `path` or `senteval`"
    )


def task_of(folder: Path) -> str | None:
    """Return the task whose folder this is, by its files and, where tasks share file names, by its name; else None."""
    for task, layouts in SENTEVAL_TASKS.items():
        for layout in layouts:
            is_named = folder.name in {Path(path).name for path in layout.folders}
            if (is_named or not _SHARED_NAMES & set(layout.train)) and _are_files(folder, layout.train):
                return task
    return None


def _are_files(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / name).is_file() for name in names)


def _task(config: DatasetConfig) -> str:
    asked = str(config.senteval)
    task = asked.upper().replace("-", "")
    if task not in SENTEVAL_TASKS:
        raise DataError(
            f"dataset `{config.name}`: `senteval` must be one of {', '.join(SENTEVAL_TASKS)}; received "
            f"{asked!r}{did_you_mean(asked, SENTEVAL_TASKS)}"
        )
    return task


def _read(layout: _Layout, paths: Sequence[Path]) -> Part:
    part = layout.read(paths)
    return part if layout.note is None else replace(part, notes=(*part.notes, layout.note))


def _needed(task: str) -> str:
    return " or ".join(" and ".join(layout.train) for layout in SENTEVAL_TASKS[task])


def _found(path: Path) -> str:
    return listing(entry.name for entry in entries(path)) if path.is_dir() else "no folder of that name"


def _class_files(classes: Sequence[str], paths: Sequence[Path]) -> Part:
    """Read one file for each class, with one sentence a line."""
    texts: list[str] = []
    labels: list[str] = []
    notes: tuple[str, ...] = ()
    for name, path in zip(classes, paths, strict=True):
        text, file_notes = decoded(path, otherwise=_ENCODING)
        lines = [line.strip() for _, line in _lines(text)]
        texts += lines
        labels += [name] * len(lines)
        notes += file_notes
    return Part(str(paths[0].parent), tuple(text or None for text in texts), None, tuple(labels), notes)


def _labelled_lines(
    parse: Callable[[str], _Cells], names: Mapping[str, str], header: bool, paths: Sequence[Path]
) -> Part:
    """Read one file whose lines hold sentence and label. Raises DataError naming the first lines that do not."""
    (path,) = paths
    text, notes = decoded(path, otherwise=_ENCODING)
    rows: list[_Cells] = []
    mistakes: list[str] = []
    for number, line in _lines(text):
        if not line.strip() or (header and number == 1):
            continue
        cells = parse(line)
        if cells[2] in names:
            rows.append(cells)
        else:
            mistakes.append(f"line {number}: label '{shortened(cells[2])}'")
    if mistakes:
        raise DataError(
            f"{path}: each line must have a label among {listing(names)}; received {'; '.join(mistakes[:5])} "
            f"({len(mistakes)} lines); correct the lines, or read the file as csv or tsv with named columns"
        )
    has_pairs = any(pair is not None for _, pair, _ in rows)
    pairs = tuple(pair or None for _, pair, _ in rows)
    texts = tuple(text or None for text, _, _ in rows)
    return Part(str(path), texts, pairs if has_pairs else None, tuple(names[label] for _, _, label in rows), notes)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return the lines with their numbers. Only "\n" ends a line: str.splitlines would also split latin-1 texts."""
    return ((number, line.rstrip("\r")) for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1))


def _label_last(line: str) -> _Cells:
    text, _, label = line.rpartition("\t")
    return text.strip(), None, label.strip()


def _label_first(line: str) -> _Cells:
    label, _, text = line.partition(" ")
    return text.strip(), None, label


def _coarse_first(line: str) -> _Cells:
    label, _, text = line.partition(" ")
    return text.strip(), None, label.partition(":")[0]


def _mrpc(line: str) -> _Cells:
    """Parse quality, two ids and two sentences; quotes in the sentences are plain characters."""
    cells = line.split("\t")
    if len(cells) != 5:
        return line, None, f"none, {len(cells)} cells instead of 5"
    quality, _, _, first, second = cells
    return first.strip(), second.strip(), quality


_BINARY = {"0": "negative", "1": "positive"}
_FINE = {"0": "very negative", "1": "negative", "2": "neutral", "3": "positive", "4": "very positive"}
_PARAPHRASE = {"0": "not_equivalent", "1": "equivalent"}
_TREC = {name: name for name in ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")}
_TREC_IDS = {"0": "DESC", "1": "ENTY", "2": "ABBR", "3": "HUM", "4": "NUM", "5": "LOC"}  # of the TripleEntropy authors
_PHRASES = (
    "many rows are phrases of one another's sentences, so that a draw and its validation rows are not independent; "
    "`sst2` has whole sentences"
)

_polarity = partial(_class_files, ("positive", "negative"))

SENTEVAL_TASKS: Mapping[str, tuple[_Layout, ...]] = MappingProxyType(
    {
        "MR": (_Layout(("MR",), ("rt-polarity.pos", "rt-polarity.neg"), _polarity),),
        "CR": (_Layout(("CR",), ("custrev.pos", "custrev.neg"), _polarity),),
        "SUBJ": (
            _Layout(
                ("SUBJ",),
                ("subj.subjective", "subj.objective"),
                partial(_class_files, ("subjective", "objective")),
            ),
        ),
        "MPQA": (_Layout(("MPQA",), ("mpqa.pos", "mpqa.neg"), _polarity),),
        "SST2": (
            _Layout(
                ("SST/binary", "binary", "SST2", "SST-2"),
                ("sentiment-train",),
                partial(_labelled_lines, _label_last, _BINARY, False),
                ("sentiment-test",),
                _PHRASES,
            ),
            _Layout(
                ("SST-2", "SST2"),
                ("train.tsv",),
                partial(_labelled_lines, _label_last, _BINARY, True),
                ("dev.tsv",),
                _PHRASES,
            ),
        ),
        "SST5": (
            _Layout(
                ("SST/fine", "fine", "SST5", "SST-5"),
                ("sentiment-train",),
                partial(_labelled_lines, _label_first, _FINE, False),
                ("sentiment-test",),
            ),
        ),
        "TREC": (
            _Layout(
                ("TREC",),
                ("train_5500.label",),
                partial(_labelled_lines, _coarse_first, _TREC, False),
                ("TREC_10.label",),
            ),
            _Layout(("TREC",), ("trec.tsv",), partial(_labelled_lines, _label_last, _TREC_IDS, False)),
        ),
        "MRPC": (
            _Layout(
                ("MRPC",),
                ("msr_paraphrase_train.txt",),
                partial(_labelled_lines, _mrpc, _PARAPHRASE, True),
                ("msr_paraphrase_test.txt",),
            ),
            _Layout(("MRPC",), ("train.tsv",), partial(_labelled_lines, _mrpc, _PARAPHRASE, True), ("dev.tsv",)),
        ),
    }
)
