"""The model card of a kept classifier: what it is, how well it is expected to do, and what is not known of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sweep.refitting.expected import expected, extrapolated
from sweep.verdict import Arm, Comparison
from trainable.config import TrialConfig
from trainable.encoder.places import PACKAGED
from trainable.recipes.label_names import LabelNames

if TYPE_CHECKING:
    from sweep.verdict.learning_curve import LearningCurve
    from trainable.classifier import Classifier
    from trainable.onnx_export import OnnxFile
    from trainable.refitting import Refitted

__all__ = ["model_card"]

_USE = """```python
from classifier import Classifier  # classifier.py lies in this folder; it needs torch and transformers

classifier = Classifier.load(".")
classifier.predict(TEXTS)        # labels
classifier.predict_proba(TEXTS)  # in the order of classifier.labels
```"""


def model_card(
    refitted: Refitted,
    comparison: Comparison,
    arm: Arm,
    *,
    sweep: str,
    command: str,
    curve: LearningCurve | None = None,
    onnx: OnnxFile | None = None,
) -> str:
    """The card as Markdown with the metadata of the Hugging Face hub. curve: that of the arm, if it has one."""
    assert arm.winner is not None, "a confirmed arm has a winner"
    config = arm.winner.config
    classifier = refitted.classifier
    parts = [
        "---",
        yaml.safe_dump(_metadata(refitted, config), sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        f"# {comparison.dataset}: {len(classifier.labels)} classes, {config.method}",
        f"A classifier of {_texts(config, classifier.paired)} into "
        f"{', '.join(f'`{_code(label)}`' for label in classifier.labels)}. It is {_origin(comparison, arm)} of the "
        f"sweep `{sweep}`, {_made(arm, refitted)}.",
        "## How well it does",
        expected(refitted, comparison, arm),
        extrapolated(refitted, curve),
        f"The verdict: {comparison.sentence}",
        *_by_class(refitted, arm),
        "## Probabilities",
        *_calibration(refitted),
        "## Use",
        _USE.replace("TEXTS", '["..."], ["..."]' if classifier.paired else '["..."]'),
        *_pipeline(refitted),
        *([_onnx(onnx, classifier)] if onnx is not None else []),
        "## How it was made",
        f"```sh\n{command}\n```",
        _configuration(arm),
        "## Limits",
        "It has learned from few rows, and knows no class but these. What is expected of it holds for texts like "
        "those that it was scored on. Licences of data and encoder are for its owner to fill in above.",
    ]
    return "\n\n".join(part for part in parts if part).replace("---\n\nlibrary", "---\nlibrary", 1) + "\n"


def _metadata(refitted: Refitted, config: TrialConfig) -> dict[str, str | list[str]]:
    """What the Hugging Face hub reads of the card."""
    return {
        **({"library_name": "transformers"} if _is_own(refitted) else {}),  # whose pipeline the hub would offer
        "pipeline_tag": "text-classification",
        **({} if Path(config.encoder).is_absolute() else {"base_model": _hub_id(config.encoder)}),
        "tags": ["few-shot", "text-classification", config.method],
        "license": "other",
        "license_name": "to-be-filled-in",
    }


def _hub_id(encoder: str) -> str:
    """The id by which the hub knows an encoder that is no folder."""
    return PACKAGED[encoder].hub if encoder in PACKAGED else encoder


def _origin(comparison: Comparison, arm: Arm) -> str:
    best = comparison.best
    return "the winner" if best is None or best.cell == arm.cell else f"{arm.method}, which is not the winner,"


def _made(arm: Arm, refitted: Refitted) -> str:
    if _untrained(arm):
        return "made of the names or descriptions of the classes: no labelled row trains it"
    return f"trained once more on {refitted.rows:,} labelled rows"


def _untrained(arm: Arm) -> bool:
    return arm.winner is not None and isinstance(arm.winner.config.recipe, LabelNames)


def _is_own(refitted: Refitted) -> bool:
    """Whether the encoder's class of transformers holds the head, so that its pipeline answers by it."""
    return refitted.classifier.head["kind"] == "own" and not _beside_head(refitted)


def _beside_head(refitted: Refitted) -> list[str]:
    """What a classifier by the encoder's own head adds to what that class of transformers does."""
    classifier = refitted.classifier
    prompt = ["the text before every text (`prompt`)"] if classifier.prompt else []
    shift = ["how frequent the classes are (`priors: pool`), for which this head has no bias"]
    return prompt + (shift if "shift" in classifier.arrays else [])


def _by_class(refitted: Refitted, arm: Arm) -> Iterator[str]:
    if not arm.confusion:
        return
    labels = refitted.classifier.labels
    rows = "labelled rows" if _untrained(arm) else "rows trained on"
    lines = [f"| class | {rows} | recall | precision |", "|---|---:|---:|---:|"]
    for place, label in enumerate(labels):
        right = arm.confusion[place][place]
        labelled, predicted = sum(arm.confusion[place]), sum(row[place] for row in arm.confusion)
        recall, precision = (f"{100 * right / total:.0f} %" if total else "–" for total in (labelled, predicted))
        lines.append(f"| {_cell(label)} | {refitted.counts[place]:,} | {recall} | {precision} |")
    yield f"By class, with the answers of {_answering(arm)}:"
    yield "\n".join(lines)


def _answering(arm: Arm) -> str:
    """The draws whose trainings reached their end, so that they have answers."""
    assert arm.confirmation is not None, "a confirmed arm has a confirmation"
    ends = [each.evaluation.outcome for each in arm.confirmation.replicates if not each.evaluation.initialisation]
    if not any(ends):
        return "all draws of the confirmation counted together"
    counted = f"{ends.count(None)} of {len(ends)} draws of the confirmation counted together"
    return f"{counted} (the trainings of the others diverged or failed)"


def _code(label: str) -> str:
    return " ".join(label.split()).replace("`", "'")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _calibration(refitted: Refitted) -> Iterator[str]:
    found = refitted.calibration
    if found is None:
        yield "They are not calibrated: no class has two rows, so that one could be left out to do it on."
        return
    losses = f"{found.loss_before + 0.0:.3f} before and {found.loss_after + 0.0:.3f} after"
    if found.loss_after > found.loss_before:
        losses += " (the fit allows for a wrong label, which costs a little where none is)"
    errors = f"{100 * found.error_before:.1f} and {100 * found.error_after:.1f} %"
    yield (
        f"Calibrated by a temperature of {found.temperature:.3g}, fitted to {found.rows:,} rows that were left out of "
        f"the training that scored them: negative log-likelihood {losses}, expected calibration error {errors}."
    )


def _texts(config: TrialConfig, paired: bool) -> str:
    """What is classified. The order of the texts of a pair counts, so it is said which column stood first."""
    if not paired:
        return "texts"
    if config.dataset.text_pair is None:
        return "pairs of texts"
    return f"pairs of texts (`{_code(config.dataset.text)}` first, `{_code(config.dataset.text_pair)}` second)"


def _pipeline(refitted: Refitted) -> Iterator[str]:
    if _is_own(refitted):
        cut = f"truncation=True, max_length={refitted.classifier.max_length}"
        pairs = ' for `{"text": "...", "text_pair": "..."}`' if refitted.classifier.paired else ""
        empty = " It does not read a second text that is empty as one." if refitted.classifier.paired else ""
        yield (
            f'`transformers.pipeline("text-classification", ".", {cut})` gives the same labels and probabilities'
            f"{pairs}.{empty}"
        )
    elif refitted.classifier.head["kind"] == "own":
        lacking = " and ".join(_beside_head(refitted))
        yield f"`transformers.pipeline` may give other labels and probabilities: it does not know {lacking}."
    else:
        yield (
            "`transformers` alone loads the encoder, and puts a new head on it that has learned nothing: its "
            "`pipeline` answers at random."
        )


def _onnx(file: OnnxFile, classifier: Classifier) -> str:
    inputs = ", ".join(f"`{name}`" for name in file.inputs)
    texts = "texts, pairs" if classifier.paired else "texts"
    cut = f'truncation=True, max_length={classifier.max_length}, padding=True, padding_side="right"'
    plain = not classifier.prompt and not (classifier.paired and classifier.separator)
    made = f", or the tokenizer of this folder by `tokenizer({texts}, {cut})`" if plain else ""
    return (
        f"`model.onnx` gives the same scores through onnxruntime (the largest difference seen: {file.difference:.1g}). "
        f"Its inputs are {inputs}, as `Classifier.tokens` makes them{made}; the softmax of its output "
        f"`scores` gives the probabilities. On the machine that wrote it, a text took {file.milliseconds:.1f} ms, and "
        f"{file.torch_milliseconds:.1f} ms with torch; it has {file.megabytes:.0f} MB, and the weights that torch "
        f"reads have {file.torch_megabytes:.0f} MB."
    )


def _configuration(arm: Arm) -> str:
    assert arm.winner is not None, "a confirmed arm has a winner"
    shown = {name: value for name, value in arm.winner.config.flat().items() if not name.startswith("dataset.")}
    return "\n".join(
        ["| field | value |", "|---|---|", *(f"| {name} | {_cell(str(value))} |" for name, value in shown.items())]
    )
