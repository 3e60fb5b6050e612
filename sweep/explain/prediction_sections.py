"""The sections on single predictions, on words that decide, and on whether explanations hold; and their data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sweep.explain.attribution.checks import Check
from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.highlight import highlighted, named_words
from sweep.explain.attribution.tables import prediction_row, word_rows
from sweep.explain.attribution.words import split_words
from sweep.explain.curve_chart import curve_chart
from sweep.explain.material import Material
from sweep.explain.predictions import ArmPredictions, Shown
from sweep.explain.slices import Accuracy, accuracy
from sweep.explain.wording import cut
from sweep.report.chart import Row
from sweep.report.section import Case, Section, Table
from sweep.report.wording import interval

__all__ = ["check_rows", "check_section", "deciding_words", "prediction_rows", "prediction_section", "word_section"]

_GIVEN = 20  # texts of a file on the page
_WORDS, _LEAST = 15, 3
_KINDS = {"given": "a text of the file", "error": "an error", "right": "right"}


def prediction_section(material: Material, found: ArmPredictions | None) -> Section:
    """Single predictions with their words marked."""
    if found is None:
        return Section(anchor="predictions", title="Why it says so")
    if found.refused:
        return Section(anchor="predictions", title="Why it says so", text=(f"Not explained: {found.refused}",))
    given = [each for each in found.shown if each.kind == "given"]
    shown = [*given[:_GIVEN], *(each for each in found.shown if each.kind != "given")]
    return Section(
        anchor="predictions",
        title="Why it says so",
        text=tuple(_text(found, len(given))),
        cases=tuple(_case(each) for each in shown),
    )


def check_section(found: ArmPredictions | None) -> Section:
    """Whether the explanations hold, over predictions of test rows drawn at random."""
    if found is None or not found.checks:
        return Section(anchor="checks", title="Do these explanations hold?")
    failed = _failed(found)
    said = (
        f"On {len(found.sampled)} test rows drawn at random, these explanations fail {len(failed)} of "
        f"{len(found.checks)} checks: {', '.join(failed)}. Do not rely on them."
        if failed
        else f"On {len(found.sampled)} test rows drawn at random, they pass all {len(found.checks)} checks."
    )
    text = (
        said,
        "Comprehensiveness is by how much the probability of the class falls when the words named first are left out, "
        "sufficiency by how much it falls when they alone remain, beside words in random order. Agreement is Kendall's "
        "tau of two rankings of a text's words: 1 for the same, 0 for unrelated ones.",
    )
    rows = tuple(_check_line(check) for check in found.checks)
    table = Table(
        title="Checks", columns=("check", "holds", "passes if", "found", "beside", "rows"), rows=rows, words=3
    )
    chart = curve_chart(found.sampled)
    return Section(
        anchor="checks",
        title="Do these explanations hold?",
        text=text,
        charts=(chart,) if chart.rows else (),
        tables=(table,),
    )


def word_section(material: Material, words: tuple[Row, ...]) -> Section:
    """The words that add most to what is said, and the accuracy of the test rows that have them."""
    if not words:
        return Section(anchor="words", title="Words that decide")
    text = (
        "Words that add most to the class that is said, as a mean over the explained predictions that have them. "
        "Where the accuracy of the test rows with a word is far below that of the rows without, the model may have "
        "taken it for a shortcut. Accuracies are over all draws of the confirmation, intervals over draws and rows.",
    )
    rows = tuple(
        (
            str(row["word"]),
            str(row["says"]),
            f"{100 * float(row['share'] or 0):+.0f} %",
            str(row["explained"]),
            str(row["test_rows"]),
            _percent(row["accuracy_with"]),
            _range(row),
            _percent(row["accuracy_without"]),
        )
        for row in words
    )
    columns = ("word", "adds to", "share", "explained rows", "test rows", "accuracy with it", "95 %", "without it")
    table = Table(title="Words that decide", columns=columns, rows=rows, words=2)
    return Section(anchor="words", title="Words that decide", text=text, tables=(table,))


def deciding_words(material: Material, found: ArmPredictions | None) -> tuple[Row, ...]:
    """The words with the largest mean share, each in at least three of the explained predictions of test rows. Where a
    word stands several times in one of them, all of these together are its share."""
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in _unique(found):
        for word, share in _word_shares(each).items():
            shares[word, each.label].append(share)
    known = [(float(np.mean(each)), word, label, len(each)) for (word, label), each in shares.items()]
    ranked = sorted((each for each in known if each[3] >= _LEAST), key=lambda each: (-each[0], each[1]))[:_WORDS]
    having = _having(material, {word for _, word, _, _ in ranked})
    right_KT = material.right(material.arm.method)
    return tuple(
        _word_row(mean, word, label, count, accuracy(right_KT, having[word]), accuracy(right_KT, ~having[word]))
        for mean, word, label, count in ranked
    )


def prediction_rows(found: ArmPredictions | None) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Every explained prediction, and every word of each."""
    if found is None:
        return (), ()
    all_shown = [*found.shown, *(Shown(kind="sample", label="", prediction=each) for each in found.sampled)]
    rows = tuple(
        {"prediction": number, "kind": each.kind, "label": each.label, **prediction_row(each.prediction)}
        for number, each in enumerate(all_shown, start=1)
    )
    words = tuple(row for number, each in enumerate(all_shown, start=1) for row in word_rows(number, each.prediction))
    return rows, words


def check_rows(found: ArmPredictions | None) -> tuple[Row, ...]:
    """Every check as data."""
    return tuple(
        {
            "check": each.name,
            "passed": int(each.passed),
            "found": each.found,
            "low": each.low,
            "high": each.high,
            "beside": each.beside,
            "rows": each.rows,
            "passes_if": each.rule,
        }
        for each in (found.checks if found is not None else ())
    )


def _failed(found: ArmPredictions) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def _text(found: ArmPredictions, given: int) -> Iterator[str]:
    if failed := _failed(found):
        yield f"These explanations fail {len(failed)} of {len(found.checks)} checks below ({', '.join(failed)})."
    yield (
        f"The first {found.draws} draws of the confirmation were trained once more, each on the {found.rows:,} rows of "
        "its draw; what is explained is the first of these models, on rows that it has not trained on. "
        f"It says of {100 * found.reproduced:.1f} % of the rows looked at what is on record for its draw. Its "
        "probabilities are not calibrated."
    )
    yield (
        "Blue words speak for the class that is said, orange underlined ones against it, by integrated gradients from "
        "the text without its words; the percentages are of what all words add and take away. What a word adds here "
        "is said of the model, not of the world: read the checks below first."
    )
    if given > _GIVEN:
        yield f"Of {given:,} texts of the file, the first {_GIVEN} are below; `predictions.csv`, `words.csv` have all."


def _case(each: Shown) -> Case:
    found = each.prediction
    return Case(
        text=cut(found.text if found.pair is None else f"{found.text} | {found.pair}"),
        facts=tuple((name, fact) for name, fact in _facts(each) if fact),
        words=highlighted(found),
        warning=f"Not to be relied on: {'; '.join(found.problems)}." if found.problems else "",
    )


def _facts(each: Shown) -> Iterator[tuple[str, str]]:
    found = each.prediction
    yield "it says", f"{found.label} ({100 * found.probability:.0f} %), then {found.runner_up}"
    yield "its label", f"{each.label} ({_KINDS[each.kind]})" if each.label else ""
    start, end = float(found.attribution.start_K[0]), float(found.attribution.end_K[0])
    yield "its score", f"{end:.2f}, and {start:.2f} without the words"
    yield "for it", named_words(found, 1)
    yield "against it", named_words(found, -1)
    yield "left out", _left_out(found)
    yield "nearest", _centres(found)
    for label in dict.fromkeys((found.label, found.runner_up)):
        rows = [f"{cut(row.text, 100)} ({row.cosine:.2f})" for row in found.near if row.label == label]
        yield f"like it: {label}", " · ".join(rows)


def _left_out(found: Prediction) -> str:
    own_W = found.left_out_KW[0]
    ranked = [
        word for word in found.read[np.argsort(-own_W[found.read], kind="stable")][:3].tolist() if own_W[word] > 0
    ]
    said = ", ".join(f"{found.words[word].text} ({-own_W[word]:.2f})" for word in ranked)
    tau = "" if found.rank_agreement is None else f"; agreement {found.rank_agreement:.2f}"
    return f"the score falls most without {said}{tau}" if said else f"the score falls without no word{tau}"


def _centres(found: Prediction) -> str:
    if len(found.centres) < 2:
        return ""
    first, second = found.centres[:2]
    which = f", proxy {first.proxy}" if first.proxy else ""
    return (
        f"{first.label}{which} (cosine {first.cosine:.2f}), then {second.label} ({second.cosine:.2f}): margin "
        f"{first.cosine - second.cosine:.2f}"
    )


def _check_line(check: Check) -> tuple[str, ...]:
    shown = f"{check.found:.2f}"
    if check.low is not None and check.high is not None:
        shown += f" ({check.low:.2f} to {check.high:.2f})"
    beside = "–" if check.beside is None else f"{check.beside:.2f}"
    return (check.name, "yes" if check.passed else "NO", check.rule, shown, beside, str(check.rows))


def _unique(found: ArmPredictions | None) -> Iterator[Prediction]:
    """The explained predictions of test rows, each once."""
    seen: set[int] = set()
    shown = [] if found is None else [each.prediction for each in found.shown if each.kind != "given"]
    for each in (*(found.sampled if found is not None else ()), *shown):
        if id(each) not in seen:
            seen.add(id(each))
            yield each


def _word_shares(each: Prediction) -> dict[str, float]:
    """The share of every word of a prediction that has a letter or a digit."""
    found: dict[str, float] = defaultdict(float)
    shares_W = each.shares
    for place in each.read.tolist():
        word = each.words[place].text.casefold()
        if any(letter.isalnum() for letter in word):
            found[word] += float(shares_W[place])
    return found


def _having(material: Material, words: set[str]) -> dict[str, NDArray[np.bool_]]:
    """Which test rows have each of some words."""
    test = material.data.test
    having = {word: np.zeros(len(test), dtype=np.bool_) for word in words}
    seconds = test.pairs if test.pairs is not None else ("",) * len(test)
    for row, both in enumerate(zip(test.texts, seconds, strict=True)):
        for text in both:
            for word in {text[low:high].casefold() for low, high in split_words(text)} & words:
                having[word][row] = True
    return having


def _word_row(mean: float, word: str, label: str, count: int, having: Accuracy, without: Accuracy) -> Row:
    return {
        "word": word,
        "says": label,
        "share": mean,
        "explained": count,
        "test_rows": having.rows,
        "accuracy_with": having.mean,
        "low": having.low,
        "high": having.high,
        "accuracy_without": without.mean,
    }


def _percent(value: object) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, float) else "–"


def _range(row: Row) -> str:
    low, high = row["low"], row["high"]
    return interval(low, high, signed=False) if isinstance(low, float) and isinstance(high, float) else "–"
