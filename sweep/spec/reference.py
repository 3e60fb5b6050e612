"""The reference of every field of a spec, rendered from the models that check it.

`python -m sweep.spec.reference > sweep/spec/README.md` writes it; a test keeps that file equal to what is rendered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from sweep.errors import SpecError
from sweep.spec.blocks import BLOCKS
from sweep.spec.completion import REQUIRED
from sweep.spec.defaults import RANGE_SOURCES
from sweep.spec.document import MAX_BYTES
from sweep.spec.fields import (
    LOSS_FIELDS,
    NEW_READING,
    PROTOCOL_FIELDS,
    RECIPE_FIELDS,
    TRIAL_FIELDS,
    UNSEARCHABLE,
    WARM_START,
)
from sweep.spec.model import SweepSpec
from sweep.spec.presets import PRESETS
from sweep.spec.reader import load_spec
from sweep.spec.tables import listed, model_table, own_table, table, trial_table
from trainable.config import DatasetConfig
from trainable.datasets import DATASETS
from trainable.losses import LOSSES, LossEntry
from trainable.recipes import RECIPES, SPECIFIC_FIELDS, RecipeEntry

__all__ = ["reference"]

_EXAMPLE = """\
compare:
  dataset: support
  shots: [4, 16]
  loss: [cross_entropy, soft_triple]
trial:
  encoder: all-MiniLM-L6-v2
"""

_FULL_EXAMPLE = """\
name: tickets                     # also the folder ./sweeps/tickets and the run in MLflow

datasets:                         # csv, tsv, jsonl, parquet, saved dataset folders, SentEval folders
  tickets: {path: data/tickets.csv, text: body, label: intent}

compare:                          # every combination is a cell; trials compete only inside their cell
  dataset: [tickets, SetFit/subj] # names of your own, known names (support, mr, cr, trec, ...), paths, hub ids
  shots: [4, at most 16]          # labels per class: a number | at most N | all
  loss: [cross_entropy, soft_triple, proxy_anchor]

search:                           # optional: each loss has ranges; narrow, fix or replace them
  encoder_lr: {low: 1.0e-5, high: 1.0e-4, log: true}
  soft_triple: {margin: {low: 0, high: 0.5}, centers_per_class: [1, 5, 10], la: 20}

trial: {encoder: roberta-large, embedding: mean}    # fields that all trials share

protocol:
  replicates: 4                   # draws that a configuration is trained on; its score is the mean
  evaluations: 4                  # in each replicate
  steps: 120
  validation: all                 # auto | cross | all | a number | shots (as many rows as are trained on)

budget: {trials_per_cell: 16, hours: 8}             # hours of one run; the next one resumes
pruning: {rule: asha, reduction_factor: 3}          # or median, wilcoxon, none
confirm:
  draws: 20                       # fresh draws for each winner, the same for every loss
  baseline: cross_entropy         # tuned like every other loss
  finalists: 3                    # at most 3 tied best trials get extra validation draws
resources: {cpu: 1, gpu: 0.5}
tracking: {experiment: tickets}   # MLFLOW_TRACKING_URI, else sqlite:///mlflow.db
"""

_MISTAKEN_EXAMPLE = """\
compare:
  dataset: support
  shots: [4, -1]
  loss: [cross_entropy, soft_triple]
trial:
  encoder: all-MiniLM-L6-v2
  margin: 0.5
budget: {hour: 8}
"""

_INTRODUCTION = f"""\
# The spec of a sweep

A spec says what a sweep compares and searches, how its trials are trained and scored, and what may be spent on it. This
file is its reference. It is rendered from the models that check a spec, and `tests/unit/test_spec_reference.py` fails
where it differs from them. To change a description, change it in the model, then run
`python -m sweep.spec.reference > sweep/spec/README.md`.

## Examples

The shortest sensible spec, in a file `tickets.yaml` (the sweep is then called `tickets`), runs with
`python -m sweep run tickets.yaml`:

```yaml
{_EXAMPLE}```

It compares two losses on two numbers of shots, which makes four cells, and searches the learning rates, the weight of
the metric loss and its own fields over the ranges given below. `python -m sweep plan tickets.yaml` shows what a spec
amounts to before anything is trained, and `python -m sweep schema` prints a JSON schema for editors.

One that uses every block:

```yaml
{_FULL_EXAMPLE}```

## How a spec is read

1. `document.py` reads the file, of at most {MAX_BYTES >> 10} kB, as YAML 1.2 without tags; every value keeps its line.
2. `layers.py` lays each `--set KEY=VALUE` on top, in the order of the command line (`--set budget.hours=2`, `--set
   compare.loss=[triplet]`). A later value replaces an earlier one as a whole; `--set KEY=null` takes a value away.
3. `paths.py` makes paths absolute. Those in the file are relative to its folder, which no link may lead them out of;
   those in `--set` are relative to the current folder.
4. `completion.py` gives every field of a trial one place (`compare`, `search`, `protocol` or `trial`), fills in default
   values and default search ranges, and finds datasets by name, path or hub id.
5. `model.py` and `blocks.py` check each remaining field by itself.
6. `consistency.py` checks that the parts agree, by trying trials at the corners of the compared and searched values.

The result is a `SweepSpec` in which everything is explicit; `cells.py` makes cells of it. The sweep's run in MLflow
keeps it as `spec.yaml`, which is a spec again.

## How mistakes are reported

All mistakes are reported at once, in the order of the file, then of `--set`. Each has the file and line (or `--set
KEY`), the field, the rule that is broken, the value received, and what to do. The exit code is 2. This `spec.yaml`

```yaml
{_MISTAKEN_EXAMPLE}```

is refused with"""


def reference() -> str:
    """The whole reference in Markdown."""
    return (
        "\n\n".join(
            [
                _INTRODUCTION,
                _mistakes(_MISTAKEN_EXAMPLE),
                *_keys(),
                *_trial_fields(),
                *_blocks(),
                *_recipes(),
                *_losses(),
                *_presets(),
            ]
        )
        + "\n"
    )


# ---- sections --------------------------------------------------------------------------------------------------------


def _mistakes(text: str) -> str:
    """What `load_spec` says of a mistaken spec in a file `spec.yaml`."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "spec.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            load_spec(file)
        except SpecError as error:
            lines = [mistake.removeprefix(f"{folder}/") for mistake in error.mistakes]
            return "\n".join(["```text", *lines, "```"])
    raise AssertionError("the spec has no mistake")


def _keys() -> Iterator[str]:
    yield "## Keys of a spec"
    yield (
        f"Only the fields {listed(REQUIRED)} are required, under `compare` or another key that may hold them. Where "
        "a table gives no default, the description says what applies."
    )
    fields = SweepSpec.model_fields
    rows = [(_link(name), str(info.description)) for name, info in fields.items() if name != WARM_START]
    yield table(("key", "description"), rows)
    yield "## `datasets`"
    hub = [name for name, config in DATASETS.items() if config.hub is not None]
    embedded = [name for name in DATASETS if name not in hub]
    yield (
        "Under `datasets`, each name of a dataset of your own has these fields. Known names need no entry: "
        f"{listed(embedded)}, which the package contains, and {listed(hub)}, which are read from the hub."
    )
    yield model_table(DatasetConfig, without=("name",), defaults=NEW_READING)


def _trial_fields() -> Iterator[str]:
    yield "## `compare`, `search` and `trial`: the fields of a trial"
    yield (
        "A field of a trial stands in one place. Under `compare` it has a list of values; every combination of such "
        "values is a cell. Under `search` it has a range `{low: 1.0e-5, high: 1.0e-4, log: true}`, a list of choices, "
        "or one value, which fixes it. Under `trial` it has one value for all trials. The fields of "
        "[`protocol`](#protocol) may be compared too, and `steps` may be searched."
    )
    yield trial_table([rule for name, rule in TRIAL_FIELDS.items() if name not in PROTOCOL_FIELDS])
    yield f"`search` has one more key, `{WARM_START}`: {SweepSpec.model_fields[WARM_START].description}."
    yield "Why these ranges:"
    yield "\n".join(f"- `{name}`: {source}" for name, source in RANGE_SOURCES.items())
    yield "Why some fields may be compared but never searched:"
    reasons = {
        reason: [name for name in UNSEARCHABLE if UNSEARCHABLE[name] == reason] for reason in UNSEARCHABLE.values()
    }
    yield "\n".join(f"- {listed(names)}: {reason}." for reason, names in reasons.items())


def _blocks() -> Iterator[str]:
    for name, model in BLOCKS.items():
        yield f"## `{name}`"
        yield str(model.__doc__)
        yield model_table(model)


def _recipes() -> Iterator[str]:
    yield "## Recipes"
    yield (
        "A recipe is a way from labelled rows to a classifier. Those under `compare.recipe` are compared, each with "
        "every loss that it takes. A recipe with its loss is a *method*: it names cells, arms and the baseline. "
        "Where a sweep has one method alone, its values of the other axes are compared, as two encoders. The "
        "fields of a recipe stand under its name in `search`, as those of a loss. A trial has only the fields that its "
        "recipe reads, so that an axis of another field makes one cell of it."
    )
    losses = {"all": "every loss", "metric": "every metric loss", "none": "none"}
    rows = [(f"`{name}`", entry.summary, losses[entry.losses], entry.source) for name, entry in RECIPES.items()]
    yield table(("recipe", "what it does", "losses", "source"), rows)
    for name, entry in RECIPES.items():
        yield from _recipe(name, entry)


def _recipe(name: str, entry: RecipeEntry) -> Iterator[str]:
    yield f"### `{name}`"
    if unread := sorted(SPECIFIC_FIELDS - entry.fields):
        yield f"It does not read {listed(unread)}."
    if "evaluations" in unread:
        yield "A replicate of it has one evaluation, so that a rung is a number of replicates."
    if RECIPE_FIELDS[name]:
        yield own_table(RECIPE_FIELDS[name].values(), entry.search)
        yield f"Source of the ranges: {entry.search_source}"
    else:
        yield "It has no fields of its own."


def _losses() -> Iterator[str]:
    yield "## Losses"
    yield (
        "The fields of a loss stand under its name in `search`, as `search.soft_triple.margin`: a range, a list of "
        "choices, or one value, which fixes the field. Fields that the spec leaves out are searched over the ranges "
        "given here."
    )
    for name, entry in LOSSES.items():
        yield from _loss(name, entry)


def _loss(name: str, entry: LossEntry) -> Iterator[str]:
    yield f"### `{name}`"
    yield f"{entry.paper[0].upper()}{entry.paper[1:]}:"
    yield f"    {entry.equation}"
    if LOSS_FIELDS[name]:
        yield own_table(LOSS_FIELDS[name].values(), entry.search)
        yield f"Source of the ranges: {entry.search_source}"
    else:
        yield "It has no fields."


def _presets() -> Iterator[str]:
    yield "## Presets"
    yield "Specs that come with the package are run by name: `python -m sweep run quickstart`."
    rows = [(f"[`{name}`](../presets/{name}.yaml)", load_spec(name).description) for name in PRESETS]
    yield table(("preset", "description"), rows)


def _link(name: str) -> str:
    """The name of a key, linked to its section if it has one."""
    anchors = {name: name for name in ("datasets", *BLOCKS)}
    anchors |= dict.fromkeys(("compare", "search", "trial"), "compare-search-and-trial-the-fields-of-a-trial")
    return f"[`{name}`](#{anchors[name]})" if name in anchors else f"`{name}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
