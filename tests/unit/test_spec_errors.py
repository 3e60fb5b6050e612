"""Broken specs are refused with all mistakes at once, word for word as in `golden/spec_errors/messages.txt`.

After a change of wording, write that file anew with UPDATE_GOLDEN=1, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from sweep.errors import SpecError
from sweep.spec.presets import PRESETS
from sweep.spec.reader import load_spec
from sweep.spec.wording import shown

GOLDEN = Path(__file__).parent / "golden" / "spec_errors" / "messages.txt"

GOOD = """\
name: good
compare: {dataset: support, shots: [4, 16], loss: [cross_entropy, soft_triple]}
trial: {encoder: all-MiniLM-L6-v2}
"""


def _text(spec: str) -> bytes:
    return dedent(spec).lstrip("\n").encode()


BROKEN: dict[str, bytes] = {
    "empty file": b"",
    "only a comment": b"# nothing yet\n",
    "a list instead of blocks": b"- compare\n- search\n",
    "a sentence instead of blocks": b"compare everything\n",
    "a tab": b"compare:\n\tshots: [4]\n",
    "an open bracket": b"compare: {shots: [4, 16\ntrial: 3\n",
    "a colon too many": b"description: soft: triple\n",
    "two documents": _text(GOOD) + b"---\nname: second\n",
    "binary": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "latin-1": "name: good\ndescription: Stra\xdfe\n".encode("latin-1"),
    "a control character": b"name: good\ndescription: \x07\n",
    "too large": b"#" * ((1 << 20) + 1),
    "aliases that multiply": b"a: &a [x, x, x, x, x, x, x, x]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 8)) for name in range(ord("b"), ord("j"))
    ),
    "an alias of itself": b"compare: &a {dataset: *a}\n",
    "nested too deep": b"compare: " + b"[" * 1000,
    "a tag": _text(
        """
        name: good
        compare: {dataset: support, shots: !!python/object:os.system [4], loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a key twice": _text(
        """
        compare:
          dataset: support
          shots: [4]
          loss: [soft_triple]
          shots: [16]
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a key that is a number": _text(GOOD) + b"4: shots\n",
    "a key that is nothing": _text(GOOD) + b"~: shots\n",
    "numbers as no other program writes them": _text(
        """
        datasets: {2024: {path: tickets.csv}}
        compare: {dataset: [2024], shots: ["4", 1_000], loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2, weight_decay: nan, prompt: true}
        protocol: {steps: 1_000}
        """
    ),
    "nothing to compare": b"name: nothing\n",
    "every block of the wrong kind": _text(
        """
        name: [good]
        description: {a: b}
        datasets: data.csv
        compare: [support]
        search: soft_triple
        trial: 3
        protocol: 120
        budget: [16]
        pruning: asha
        resources: 1
        tracking: true
        ledger: 5432
        """
    ),
    "unknown keys everywhere": _text(
        """
        budgets: {trials_per_cell: 4}
        steps: 100
        loss: soft_triple
        soft_triple: {margin: 0.1}
        compare: {dataset: support, shot: [4], loss: cross_entropy, margin: [0.1, 0.2]}
        search: {encoder_rate: 1e-5, margin: 0.1, soft_triple: {margins: 0.1}, n_pairs: {margin: 1}}
        trial: {encoder: all-MiniLM-L6-v2, replicates_per_trial: 3, soft_triple: {la: 3}}
        protocol: {epochs: 3, encoder: x, replicate: 3}
        budget: {trials: 3, replicates: 4}
        pruning: {rungz: [1], shots: 4}
        resources: {gpus: 1}
        tracking: {experimnt: x}
        """
    ),
    "one field in two places": _text(
        """
        compare: {dataset: support, shots: [4], loss: [cross_entropy, soft_triple], steps: [60, 120]}
        search: {encoder_lr: {low: 1e-5, high: 1e-4, log: true}, loss: [triplet, supcon]}
        protocol: {steps: 120}
        trial: {encoder: all-MiniLM-L6-v2, encoder_lr: 2e-5, shots: 8}
        """
    ),
    "searched that may not be": _text(
        """
        compare: {dataset: support, loss: cross_entropy}
        search: {shots: [4, 16], metric: [accuracy, macro_f1], seed: {low: 0, high: 10}, validation: all, dataset: [mr]}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "axes": _text(
        """
        compare:
          dataset: [support, suport, support]
          shots: [4, -1, 0, 4.0, "4", true, 1000000000000000000000]
          loss: [soft_tripel, cross_entropy, Cross-Entropy]
          encoder: []
          embedding: [cls, Mean]
          beta: {low: 0.1, high: 0.9}
          validation: [all, none, 0]
        """
    ),
    "ranges": _text(
        """
        compare: {dataset: support, shots: 4, loss: [soft_triple, proxy_anchor, contrastive]}
        search:
          encoder_lr: {low: 1e-4, high: 1e-5, log: true}
          head_lr: {min: 1e-4, max: 1e-3}
          proxy_lr: {low: 0, high: 0.1, log: true}
          beta: {low: 0.5, high: 0.5}
          embedding: {low: cls, high: mean}
          weight_decay: {low: 0.0, high: 0.1, log: yes}
          warmup: {low: .nan, high: .inf}
          batch_size: {low: 8, high: 32.5}
          soft_triple: {margin: {low: 0, high: 0.5, log: true}, la: [20, 20], gamma: 0, centers_per_class: {low: 5}}
          proxy_anchor: 0.1
          max_length: []
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "values of a trial": _text(
        """
        compare: {dataset: support, shots: 4, loss: cross_entropy}
        trial:
          encoder: ''
          embedding: [cls, mean]
          encoder_lr: fast
          weight_decay: true
          warmup: 1
          clip: .inf
          batch_size: 1
          schedule: exponential
          precision: 16
          sampling: per-class
          max_length: 1e2
        """
    ),
    "nonsense sizes": _text(
        """
        compare: {dataset: support, shots: 4, loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2}
        protocol: {replicates: 100000, evaluations: 0, steps: 99999999999, validation: -5, metric: f1, seed: -1}
        budget: {trials_per_cell: 0, hours: -1, concurrency: 0.5}
        pruning: {rule: hyperband, reduction_factor: 1, min_records: 0, rungs: [4, 2]}
        resources: {cpu: 0, gpu: 1.5}
        """
    ),
    "addresses with passwords": _text(
        """
        compare: {dataset: support, shots: 4, loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2}
        tracking: {uri: "https://ann:s3cret@mlflow.example.org", experiment: '', required: sometimes}
        ledger: postgresql://ann:s3cret@db/ledger
        """
    ),
    "a ledger that is no Postgres": _text(GOOD) + b"ledger: mysql://db/ledger\n",
    "a bad name": _text(GOOD).replace(b"name: good", b"name: My Sweep!"),
    "datasets": _text(
        """
        datasets:
          tickets: data/tickets.csv
          calls: {text: body}
          mails: {path: mails.csv, hub: org/mails}
          notes: {path: notes.csv, name: other, column: body, text: 3, test_share: 2}
          "my data": {path: x.csv}
        compare: {dataset: [tickets, nowhere.csv, ./missing, trek], shots: 4, loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "how files are read": _text(
        """
        datasets:
          tickets: {path: tickets.csv, encoding: cp125, delimiter: semicolon, min_rows: 1, drop: {misc: true}}
          calls: {hub: org/calls, encoding: cp1252}
          mails: {path: MR, senteval: MR, delimiter: ";"}
        compare: {dataset: [tickets, calls, mails], shots: 4, loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "an encoder that is no folder": _text(GOOD).replace(b"all-MiniLM-L6-v2", b"./models/none"),
    "evaluations beyond steps": _text(GOOD) + b"protocol: {steps: 2, evaluations: 8}\n",
    "steps searched below evaluations": _text(GOOD) + b"search: {steps: {low: 2, high: 100}}\n",
    "margins that cross": _text(
        """
        compare: {dataset: support, shots: 4, loss: contrastive}
        search: {contrastive: {pos_margin: {low: 0, high: 0.9}, neg_margin: {low: 0.5, high: 1}}}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "too many reports": _text(GOOD) + b"protocol: {replicates: 500, evaluations: 100}\n",
    "a rung at the end": _text(GOOD) + b"pruning: {rungs: [2, 16]}\n",
    "a rung at the end of a recipe without steps": _text(
        """
        compare: {dataset: support, shots: 4, recipe: frozen}
        trial: {encoder: all-MiniLM-L6-v2}
        pruning: {rungs: [2, 8]}
        """
    ),
    "fields of a recipe": _text(
        """
        compare: {dataset: support, shots: 4, recipe: [frozen, frozne, frozen], frozen: 1}
        search: {recipe: [frozen, fine_tune], frozen: {C: -1, head: svm, k: 3, neighbours: {low: 1, high: 2000}}, C: 1}
        trial: {encoder: all-MiniLM-L6-v2, neighbours: 3}
        """
    ),
    "a loss that no recipe takes": _text(
        """
        compare: {dataset: support, shots: 4, recipe: frozen, loss: [cross_entropy, supcon]}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a recipe without its loss": _text(
        """
        compare: {dataset: support, shots: 4, recipe: [frozen, fine_tune]}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a baseline that is a recipe and no method": _text(
        """
        compare: {dataset: support, shots: 4, recipe: [frozen, fine_tune], loss: [cross_entropy, supcon]}
        trial: {encoder: all-MiniLM-L6-v2}
        confirm: {baseline: fine_tune}
        """
    ),
    "a baseline beside a recipe alone": _text(
        """
        compare: {dataset: support, shots: 4, recipe: frozen}
        trial: {encoder: all-MiniLM-L6-v2}
        confirm: {baseline: cross_entropy}
        """
    ),
    "a baseline that is the only method beside arms of another axis": _text(
        """
        compare: {dataset: support, shots: 4, loss: [cross_entropy], max_length: [32, 64]}
        trial: {encoder: all-MiniLM-L6-v2}
        confirm: {baseline: cross_entropy}
        """
    ),
    "a loss that the only recipe does not take": _text(
        """
        compare: {dataset: support, shots: 4}
        trial: {encoder: all-MiniLM-L6-v2, recipe: frozen, loss: supcon}
        """
    ),
    "a searched loss that the recipe does not take": _text(
        """
        compare: {dataset: support, shots: 4, recipe: [frozen, metric_then_head]}
        search: {loss: [supcon, cross_entropy, triplet]}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a recipe without a metric loss among those that are searched": _text(
        """
        compare: {dataset: support, shots: 4, recipe: metric_then_head}
        search: {loss: cross_entropy}
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a searched name that another field excludes": _text(
        """
        compare: {dataset: support, shots: 4, loss: supcon}
        search: {inference: [nearest, head, mixture]}
        trial: {encoder: all-MiniLM-L6-v2, beta: 0}
        """
    ),
    "methods left out that are none": _text(
        """
        compare: {dataset: support, shots: 4, recipe: [frozen, metric_then_head], loss: [cross_entropy, supcon]}
        exclude: [supcon, metric_then_head, frozen]
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "all methods left out": _text(
        """
        compare: {dataset: support, shots: 4, loss: [cross_entropy, supcon]}
        exclude: [cross_entropy, supcon]
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "a baseline that is left out": _text(
        """
        compare: {dataset: support, shots: 4, loss: [cross_entropy, supcon, triplet]}
        exclude: cross_entropy
        trial: {encoder: all-MiniLM-L6-v2}
        confirm: {baseline: cross_entropy}
        """
    ),
    "left out by something else than names": _text(
        """
        compare: {dataset: support, shots: 4, loss: [cross_entropy, supcon, triplet]}
        exclude: [{loss: supcon}, 4]
        trial: {encoder: all-MiniLM-L6-v2}
        """
    ),
    "too many cells": _text(
        f"""
        compare: {{dataset: support, shots: {list(range(1, 200))}, loss: cross_entropy, seed: {list(range(100))}}}
        trial: {{encoder: all-MiniLM-L6-v2}}
        """
    ),
    "too many trials": _text(
        f"""
        compare: {{dataset: support, shots: {list(range(1, 200))}, loss: cross_entropy}}
        trial: {{encoder: all-MiniLM-L6-v2}}
        budget: {{trials_per_cell: 10000}}
        """
    ),
    "mistakes of all kinds at once": _text(
        """
        name: Wrong
        compare: {dataset: [support], shots: [-1], loss: [soft_tripel]}
        compare: {shots: [4]}
        budgets: {}
        search: {shots: [1, 2]}
        protocol: {steps: true}
        """
    ),
}

OVERRIDES: dict[str, tuple[str, ...]] = {
    "no value": ("budget",),
    "no key": ("=4", "budget..hours=2"),
    "no YAML": ("compare.loss=[a, b",),
    "unknown key": ("budget.trials=4", "budgett.hours=1"),
    "wrong value": ("budget.trials_per_cell=many", "compare.shots=[4, -1]", "search.soft_triple.margin={low: 1}"),
    "a field in two places": ("trial.shots=8",),
    "a required field taken away": ("trial.encoder=null",),
    "unknown dataset": ("compare.dataset=[support, ./nowhere.csv]",),
    "a block replaced": ("protocol=3",),
}


def refusal(source: str | Path, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(source, overrides)
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return str(caught.value).replace(str(Path.cwd()), "FOLDER")


def golden() -> dict[str, str]:
    """The expected messages by the name of their case."""
    sections = GOLDEN.read_text(encoding="utf-8").split("\n## ")[1:]
    return {name: text.strip("\n") for name, _, text in (section.partition("\n") for section in sections)}


def check(name: str, messages: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        expected = golden() | {name: messages}
        known = [*BROKEN, *(f"--set: {case}" for case in OVERRIDES)]
        listing = "".join(f"\n## {case}\n{expected[case]}\n" for case in known if case in expected)
        GOLDEN.write_text(f"What is said about each broken spec of test_spec_errors.py.\n{listing}", encoding="utf-8")
    assert messages == golden().get(name), "if the new words are better, write them down with UPDATE_GOLDEN=1"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_spec_is_refused_in_these_words(name: str) -> None:
    Path("spec.yaml").write_bytes(BROKEN[name])
    check(name, refusal("spec.yaml"))


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_broken_override_is_refused_in_these_words(name: str) -> None:
    Path("spec.yaml").write_text(GOOD)
    check(f"--set: {name}", refusal("spec.yaml", OVERRIDES[name]))


def test_the_golden_file_holds_these_cases_and_no_others() -> None:
    assert list(golden()) == [*BROKEN, *(f"--set: {name}" for name in OVERRIDES)]
    assert len(golden()) >= 30


@pytest.mark.parametrize("name", [name for name, spec in BROKEN.items() if spec.strip()])
def test_every_line_names_file_and_line(name: str) -> None:
    for line in golden()[name].splitlines():
        place, _, rest = line.partition(": ")
        file, _, number = place.partition(":")
        assert file == "spec.yaml"
        assert 1 <= int(number) <= BROKEN[name].count(b"\n") + 1
        assert rest


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("quikstart", "did you mean `quickstart`?"),
        ("nowhere/spec.yaml", "no such file or preset; received 'nowhere/spec.yaml' in FOLDER"),
        (".", "received a folder"),
        ("", "received a folder"),
        ("a" * 300, "File name too long"),
        ("a\0b", "null byte"),
    ],
)
def test_a_source_that_cannot_be_read(source: str, says: str) -> None:
    message = refusal(source)
    assert says in message
    assert all(preset in message for preset in PRESETS)
    assert len(message) < 600


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission() -> None:
    Path("spec.yaml").write_text(GOOD)
    Path("spec.yaml").chmod(0)
    assert "Permission denied" in refusal("spec.yaml")


@pytest.mark.parametrize(
    "override",
    [
        "tracking.uri=http://ann:s3cret@host",
        "tracking.uri=postgresql://host/db?password=s3cret",
        "ledger=x://a:s3cret@h",
    ],
)
def test_no_message_repeats_a_password(override: str) -> None:
    Path("spec.yaml").write_text(GOOD)
    assert "s3cret" not in refusal("spec.yaml", (override,))


def test_what_could_not_be_read_is_not_called_missing() -> None:
    Path("spec.yaml").write_text(GOOD.replace("[4, 16]", "!shots [4]"))
    assert refusal("spec.yaml").count("compare.shots") == 1


def test_a_long_path_is_shown_to_its_end_and_other_text_is_cut() -> None:
    path = "/scratch/" + "project/" * 15 + "data.csv"
    assert shown(path) == f"'{path}'"
    assert len(shown("x" * 1000)) == 80
    assert len(shown("/" * 1000)) == 240
