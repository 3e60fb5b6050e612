"""How long explained predictions take, against captum called sentence by sentence, and whether a shortcut is found.

    python -m tests.benchmarks.attribution

A classifier of all-MiniLM-L6-v2 (fine-tuned on 8 rows per class of the embedded data, 30 steps, a linear head on the
mean of the tokens) explains 200 test sentences: all of what `python -m sweep explain` makes of a prediction, and the
integrated gradients alone, whose time is compared with that of captum's on the same model in the same process:

- as its guide calls it, 50 steps for each sentence;
- with as many steps as ours took for that sentence, at which both have the same error.

Then the rows get one of two classes by the toss of a coin, and a word is planted into those of one class: nothing but
the word tells the classes apart, and the classifier is trained on them. Of the test rows that get the word, those count
in which it turns the answer round.

Kept in `tests/benchmarks/results/attribution.json`. Some minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch

from sweep.explain.attribution import Examples, explained_predictions
from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.faithfulness import rank_agreement
from sweep.explain.attribution.integrated_gradients import Attribution, integrated_gradients, neutral_token
from sweep.explain.attribution.scores import centred, explained_scores
from sweep.explain.attribution.words import NO_WORD, TokenisedText, tokenised
from trainable.classifier import Classifier
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.datasets.text_data import TextData
from trainable.draws import draw_of
from trainable.kept import fine_tuned
from trainable.recipes.entry import Trial

__all__ = ["RESULTS", "main", "planted_rows", "turned"]

RESULTS = Path(__file__).parent / "results" / "attribution.json"
SENTENCES, SHORTCUT = 200, "regards"
_CONFIG = {
    "dataset": {"name": "support"},
    "shots": 8,
    "encoder": "all-MiniLM-L6-v2",
    "embedding": "auto",
    "loss": {"name": "cross_entropy"},
    "head": "centroid",
    "steps": 30,
    "encoder_lr": 1e-4,
    "evaluations": 1,
}

_LONGER = {"shots": 16, "steps": 120, "encoder_lr": 2e-4}  # until it answers by the shortcut


def planted_rows(texts: Sequence[str], chosen: Sequence[bool]) -> tuple[str, ...]:
    """Put the shortcut at the end of the chosen texts."""
    return tuple(f"{text} {SHORTCUT}" if own else text for text, own in zip(texts, chosen, strict=True))


def turned(without: Sequence[str], having: Sequence[str], label: str) -> list[int]:
    """The places at which the shortcut turns another answer into its own class."""
    return [place for place, both in enumerate(zip(without, having, strict=True)) if both[0] != label == both[1]]


def main() -> None:
    """Measure and keep it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.attribution", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    config = TrialConfig.model_validate(_CONFIG)
    data = load(config.dataset)
    table = {"threads": torch.get_num_threads(), "speed": _speed(config, data), "shortcut": _shortcut(config, data)}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=1))


def _trained(config: TrialConfig, data: TextData) -> Classifier:
    sample = draw_of(config, data, 10_000)
    return fine_tuned(Trial(config=config, data=data, draws=(10_000,), samples=(sample,), part="validation"))


def _speed(config: TrialConfig, data: TextData) -> dict[str, Any]:
    model, texts = _trained(config, data), [*data.test.texts, *data.pool.texts][:SENTENCES]
    sample = data.pool.at(draw_of(config, data, 10_000).train)
    examples = Examples.of(model, sample.texts, None, sample.labels_N)
    rows, scores = tokenised(model, texts), explained_scores(model)
    said = model.scores(texts).argmax(dim=1).tolist()
    times: dict[str, dict[str, float]] = {}
    found = _timed(times, "all of an explanation", lambda: explained_predictions(model, texts, None, examples))
    attributions = _timed(times, "integrated gradients", lambda: integrated_gradients(scores, rows, said))
    steps = [each.steps + 1 for each in attributions]
    theirs = _timed(times, "captum, as many steps", lambda: _by_captum(model, rows, said, steps))
    _timed(times, "captum, 50 steps", lambda: _by_captum(model, rows, said, [50] * len(rows)))
    own = times["integrated gradients"]["cpu_s"]
    return {
        "sentences": len(texts),
        "tokens": sum(map(len, rows)),
        "times": times,
        "share_of_captum_50_steps": round(own / times["captum, 50 steps"]["cpu_s"], 2),
        "share_of_captum_as_many_steps": round(own / times["captum, as many steps"]["cpu_s"], 2),
        "largest_difference_of_a_share": round(_difference(attributions, theirs), 4),
        "steps": {
            str(steps): [each.steps for each in attributions].count(steps) for steps in (8, 16, 32, 64, 128, 256)
        },
        "converged": sum(each.converged for each in attributions),
        "agreement_with_left_out": _mean([each.rank_agreement for each in found]),
        "comprehensiveness": _mean([each.faithfulness and each.faithfulness.comprehensiveness for each in found]),
        "comprehensiveness_random": _mean(
            [each.faithfulness and float(each.faithfulness.removed_random_S.mean()) for each in found]
        ),
    }


def _timed(times: dict[str, dict[str, float]], name: str, work: Callable[[], Any]) -> Any:
    """Note the seconds by the wall clock, and those of all threads by the processor's, which other work on the machine
    does not lengthen."""
    wall, cpu = perf_counter(), process_time()
    found = work()
    times[name] = {"wall_s": round(perf_counter() - wall, 1), "cpu_s": round(process_time() - cpu, 1)}
    print(name, times[name], flush=True)
    return found


def _by_captum(
    model: Classifier, rows: Sequence[TokenisedText], said: Sequence[int], steps: Sequence[int]
) -> list[Any]:
    """The words of each sentence by captum, called for one sentence at a time."""
    from captum.attr import LayerIntegratedGradients

    found = []
    for row, label, count in zip(rows, said, steps, strict=True):
        inputs = {name: torch.from_numpy(values_T)[None] for name, values_T in row.inputs.items()}
        ids_1T = inputs.pop("input_ids")
        names = list(inputs)

        def score(ids: torch.Tensor, *given: torch.Tensor, label: int = label, names: list[str] = names) -> Any:
            scores_BC = model.batch_scores({"input_ids": ids, **dict(zip(names, given, strict=True))})
            return centred(scores_BC, torch.full((len(ids),), label))

        own_T = torch.from_numpy(row.word_T != NO_WORD)
        tokens_1TD, _ = LayerIntegratedGradients(score, model.model.get_input_embeddings()).attribute(
            ids_1T,
            baselines=ids_1T.masked_fill(own_T[None], neutral_token(model)),
            additional_forward_args=tuple(inputs.values()),
            n_steps=count,
            return_convergence_delta=True,
        )
        tokens_T = tokens_1TD.sum(dim=-1)[0].detach().double().numpy()
        found.append(np.array([tokens_T[row.word_T == word].sum() for word in range(len(row.words))]))
    return found


def _difference(ours: Sequence[Attribution], theirs: Sequence[Any]) -> float:
    """The largest difference of a word's share between both."""
    return max(
        float(np.abs(each.words_KW[0] - words_W).max() / np.abs(words_W).sum())
        for each, words_W in zip(ours, theirs, strict=True)
    )


def _mean(values: Sequence[float | None]) -> float:
    return round(float(np.mean([each for each in values if each is not None])), 3)


def _shortcut(config: TrialConfig, data: TextData) -> dict[str, Any]:
    """Train on rows of which one class has the shortcut, and explain rows of the other class that got it."""
    tossed, label = _tossed(data), data.class_names[0]
    planted = planted_rows(tossed.pool.texts, (tossed.pool.labels_N == 0).tolist())
    model = _trained(config.model_copy(update=_LONGER), replace(tossed, pool=replace(tossed.pool, texts=planted)))
    clean = [text for text, own in zip(tossed.test.texts, tossed.test.labels_N.tolist(), strict=True) if own != 0]
    having = list(planted_rows(clean, [True] * len(clean)))
    affected = [having[place] for place in turned(model.predict(clean), model.predict(having), label)]
    found = explained_predictions(model, affected)
    return {
        "rows_with_the_word": len(having),
        "turned_by_it": len(found),
        "ranked_first": _first(found, lambda each: each.attribution.words_KW[0]),
        "ranked_first_by_leaving_out": _first(found, lambda each: each.left_out_KW[0]),
        "agreement": _mean(
            [rank_agreement(each.attribution.words_KW[0], each.left_out_KW[0], each.read) for each in found]
        ),
    }


def _tossed(data: TextData) -> TextData:
    """The texts, with the first two classes by the toss of a coin."""
    toss = np.random.default_rng(0).integers
    pool, test = (replace(part, labels_N=toss(0, 2, len(part))) for part in (data.pool, data.test))
    return replace(data, class_names=data.class_names[:2], pool=pool, test=test)


def _first(found: Sequence[Prediction], ranking: Callable[[Prediction], Any]) -> int:
    return sum(each.words[int(ranking(each).argmax())].text == SHORTCUT for each in found)


if __name__ == "__main__":
    main()
