"""Explained predictions as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.explain.attribution.explained import Prediction
from sweep.report.chart import Row, Value

__all__ = ["prediction_row", "word_rows"]


def prediction_row(each: Prediction) -> Row:
    """A prediction: what is said, what is near, and how its explanation does in its own checks."""
    judged, attribution = each.faithfulness, each.attribution
    first = each.centres[0] if each.centres else None
    second = each.centres[1] if len(each.centres) > 1 else None
    near = each.near[0] if each.near else None
    return {
        "text": each.text,
        **({} if each.pair is None else {"text_pair": each.pair}),
        "says": each.label,
        "probability": each.probability,
        "runner_up": each.runner_up,
        "explained": each.kinds[0],
        "score_without_words": float(attribution.start_K[0]),
        "score": float(attribution.end_K[0]),
        "steps": attribution.steps,
        "missing": float(attribution.error_K.max()),
        "comprehensiveness": None if judged is None else judged.comprehensiveness,
        "comprehensiveness_random": None if judged is None else float(judged.removed_random_S.mean()),
        "sufficiency": None if judged is None else judged.sufficiency,
        "sufficiency_random": None if judged is None else float(judged.kept_random_S.mean()),
        "rank_agreement": each.rank_agreement,
        "nearest_centre": None if first is None else first.label,
        "cosine": None if first is None else first.cosine,
        "margin": None if first is None or second is None else first.cosine - second.cosine,
        "nearest_row": None if near is None else near.text,
        "nearest_row_cosine": None if near is None else near.cosine,
        "problems": "; ".join(each.problems),
    }


def word_rows(number: int, each: Prediction) -> Iterator[Row]:
    """The words of a prediction of this number, in their order: what each adds to the score of the class that is said,
    as a number and as a share of what all words add and take away, and by how much its absence lowers it."""
    shares_W = each.shares
    for place, word in enumerate(each.words):
        added: dict[str, Value] = {}
        for kind, words_W, without_W in zip(each.kinds, each.attribution.words_KW, each.left_out_KW, strict=True):
            added |= {f"adds_to_{kind}": float(words_W[place]), f"left_out_of_{kind}": float(without_W[place])}
        yield {
            "prediction": number,
            "place": place + 1,
            "word": word.text,
            "text": 2 if word.second else 1,
            "read": int(word.read),
            "share": float(shares_W[place]),
            **added,
        }
