"""How long the trainings of a sweep take on this machine, from a few steps and a sample of the rows to score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.errors import TimingError
from sweep.scheduling.workload import TrainingSeconds
from sweep.spec.cells import Cell
from trainable.cross_validation import is_cross_validated, trainings, turns
from trainable.dataset_config import FEW_ROWS
from trainable.datasets import load
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import Draw, draw_of
from trainable.loading import load_training_libraries
from trainable.outcomes import Evaluation, Outcome
from trainable.recipes import RECIPES
from trainable.recipes.entry import Trial

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["Pace", "measure_pace"]

_STEPS = {"cpu": 2, "cuda": 40}  # the first few are slow on a GPU, since they are captured (trainable.encoder.graphs)
_SCORED = {"cpu": 64, "cuda": 2048}  # rows: some batches of each device
_WARM = {"cpu": 1, "cuda": 40}  # steps, and batches scored, of the first training, which loads libraries and encoder
_TOKENISED = 2048  # rows whose lengths stand for all of a part


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured.

    costs: of each cell, by its key.
    diverged: what is said of each training that diverged, and so gave no time; its cells have no costs.
    """

    costs: Mapping[str, TrainingSeconds]
    diverged: tuple[str, ...]


def measure_pace(grid: Sequence[Cell], told: Callable[[str], None] = lambda what: None) -> Pace:
    """Train and score one short replicate for each dataset, encoder and shot count, on a sample of the rows, so that it
    takes as long whatever the size of the data.

    told: is called with what is timed next.

    Raises TimingError with every training that failed, since its cells would fail alike.
    """
    tried: dict[tuple[object, ...], TrainingSeconds | Evaluation] = {}
    costs: dict[str, TrainingSeconds] = {}
    said: dict[str, Outcome | None] = {}
    seen: set[tuple[object, ...]] = set()  # datasets that have been encoded for an earlier cell
    loaded: set[tuple[object, ...]] = set()  # recipes and encoders, with their libraries
    for cell in grid:
        config = cell.default_config()
        like = (
            config.dataset.name,
            config.recipe.name,
            config.encoder,
            config.shots,
            config.sampling,
            config.batch_size,
            config.embedding,
        )
        if like not in tried:
            told(_named(config))
            tried[like] = _measure(config, loaded=(config.recipe.name, config.encoder) in loaded)
            loaded.add((config.recipe.name, config.encoder))
            if isinstance(ended := tried[like], Evaluation):
                said[_in_words(config, ended)] = ended.outcome
        if isinstance(cost := tried[like], TrainingSeconds):
            encoded = (config.dataset.name, config.encoder, config.embedding)
            costs[cell.key] = replace(cost, once=0.0) if encoded in seen else cost
            if cost.once:
                seen.add(encoded)
    if failed := [words for words, outcome in said.items() if outcome is Outcome.FAILED]:
        raise TimingError("\n".join(failed))
    return Pace(costs, tuple(said))


def _named(config: TrialConfig) -> str:
    fixed = ", ".join(filter(None, (f"{config.shots} shots", config.encoder)))
    return f"{config.method} on `{config.dataset.name}` ({fixed})"


def _in_words(config: TrialConfig, ended: Evaluation) -> str:
    tried = _named(config)
    if ended.outcome is Outcome.DIVERGED:
        return f"{tried} diverged with the values of the first trial: {ended.reason}; other trials may not"
    return (
        f"a plan trains a few steps, and every training must get through them; {tried} failed: {ended.reason}; mend "
        "what it names, as with other fields or another encoder, or skip the timing (--no-timing)"
    )


def _measure(config: TrialConfig, *, loaded: bool) -> TrainingSeconds | Evaluation:
    """The costs of a configuration, or the evaluation in which its training ended too early.

    loaded: whether its recipe has been timed with its encoder, so that no first training need load what they need.
    """
    load_training_libraries()
    from trainable.training import evaluations

    if config.loss is None:
        without_steps = RECIPES[config.recipe.name].embeds_once
        return _measure_without_steps(config) if without_steps else _measure_whole(config, loaded=loaded)
    data = load(config.dataset)
    draw, warm = _first_draw(config, data), _WARM[_device()]
    steps = min(config.steps, _STEPS[_device()])
    probe = config.model_copy(update={"steps": steps, "evaluations": 1, "restarts": 0})
    timed = _on_sample(probe, data, draw, _SCORED[_device()])
    first = _on_sample(probe.model_copy(update={"steps": min(steps, warm)}), data, draw, warm * config.batch_size)
    captured = _device() == "cuda"  # anew for each shape of a batch
    with _one_thread():
        for trial in (first, timed) if captured or not loaded else (timed,):
            evaluation = next(evaluations(trial))
            if evaluation.outcome is not None:
                return evaluation
    return _extrapolated(config, timed, draw, evaluation)


def _on_sample(config: TrialConfig, data: TextData, draw: Draw, scored: int) -> Trial:
    """A trial of the draw that reads few rows: of many training rows some of each class, `scored` of the validation
    rows, and of the rest of the pool as many as tell it from a dataset of few labels."""
    train, validation = _of_each_class(data.pool, draw.train), draw.validation[:scored]
    rest = np.linspace(0, len(data.pool) - 1, min(len(data.pool), FEW_ROWS)).astype(np.int64)
    rows = np.unique(np.concatenate([train, validation, rest]))
    sample = Draw(np.searchsorted(rows, train), np.searchsorted(rows, validation), draw.test)
    return Trial(
        config=config, data=replace(data, pool=data.pool.at(rows)), draws=(0,), samples=(sample,), part="validation"
    )


def _of_each_class(pool: Rows, train: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `_SCORED` rows from everywhere among those of training, and two of each class besides."""
    if len(train) <= (most := _SCORED[_device()]):
        return train
    by_class = train[np.argsort(pool.labels_N[train], kind="stable")]
    labels = pool.labels_N[by_class]
    second = np.flatnonzero(np.r_[True, True, labels[2:] != labels[:-2]])
    spread = np.linspace(0, len(train) - 1, most).astype(np.int64)
    return np.sort(by_class[np.union1d(second, spread)])


def _first_draw(config: TrialConfig, data: TextData) -> Draw:
    """What a search trains on and scores first: a draw, or the first turn of one."""
    draw = draw_of(config, data, 0)
    if not is_cross_validated(config, data):
        return draw
    train, held = turns(data, draw, 0, config.seed)[0]
    return Draw(train, held, draw.test)


def _measure_without_steps(config: TrialConfig) -> TrainingSeconds | Evaluation:
    """The costs of a recipe that has no loss: a classifier is fitted to rows that are encoded once for all trials."""
    from trainable.training import evaluations

    data = load(config.dataset)
    draw = _first_draw(config, data)
    train, validation = _of_each_class(data.pool, draw.train), draw.validation[: _SCORED[_device()]]
    sampled = replace(data, pool=data.pool.at(np.concatenate([train, validation])))
    rows = Draw(np.arange(len(train)), len(train) + np.arange(len(validation)))
    trial = Trial(config=config, data=sampled, draws=(0,), samples=(rows,), part="validation")
    with _one_thread():
        for _ in range(2):  # the first one loads the encoder and encodes
            evaluation = next(evaluations(trial))
            if evaluation.outcome is not None:
                return evaluation
        once = _encoding_seconds(config, data)
    return TrainingSeconds(config.replicates * trainings(config, data) * evaluation.seconds, evaluation.seconds, once)


def _measure_whole(config: TrialConfig, *, loaded: bool) -> TrainingSeconds | Evaluation:
    """The costs of a recipe that trains to an end of its own: a replicate, shortened where it can be, of which a sample
    of the rows is scored."""
    from trainable.training import evaluations

    entry, data = RECIPES[config.recipe.name], load(config.dataset)
    draw, probe = _first_draw(config, data), entry.shortened(config)
    validation = len(draw.validation)
    sampled = replace(draw, validation=draw.validation[: _SCORED[_device()]])
    rows = len(sampled.validation)
    trial = Trial(config=probe, data=data, draws=(0,), samples=(sampled,), part="validation")
    longer = max(1.0, entry.cost(config, len(draw.train)) / entry.cost(probe, len(draw.train)))
    with _one_thread():
        for _ in range(1 if loaded or longer == 1 else 2):  # the first one imports libraries and loads the encoder
            evaluation = next(evaluations(trial))
            if evaluation.outcome is not None:
                return evaluation
    row = evaluation.metrics["eval_seconds"] / rows
    tested = len(data.test) if draw.test is None else len(draw.test)
    replicate = longer * evaluation.metrics["train_seconds"] + row * validation
    return TrainingSeconds(config.replicates * trainings(config, data) * replicate, replicate + row * tested)


def _encoding_seconds(config: TrialConfig, data: TextData) -> float:
    """The seconds in which the encoder reads pool and test part once, from a sample of the pool."""
    from trainable.batching import tokenise
    from trainable.encoder import load_encoder
    from trainable.evaluation.inference import padded_tokens, run_encoder
    from trainable.precision import accelerator

    encoder, device = load_encoder(config.encoder, config.encoder_revision, len(data.class_names)), accelerator()
    prompt = encoder.prompt(config.prompt)
    tokens = partial(padded_tokens, device=_device())
    bf16 = encoder.uses_bf16(config.precision, device)
    few, share = _spread(data.pool, _SCORED[_device()])
    pool = tokenise(few, encoder, config.max_length, prompt)
    all_N = np.arange(len(few))
    began = perf_counter()
    run_encoder(encoder.model, pool, all_N, device=device, bf16=bf16, embedding="mean").logits_NC.cpu()
    seconds = perf_counter() - began
    read = tokens(pool.lengths(all_N))
    sample, of_test = _spread(data.test)
    test = tokens(tokenise(sample, encoder, config.max_length, prompt).lengths(np.arange(len(sample)))) / of_test
    return seconds * (read / share + test) / read


def _device() -> str:
    from trainable.precision import accelerator

    return accelerator().type


@contextmanager
def _one_thread() -> Iterator[None]:
    """A worker has one CPU unless the spec gives it more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _extrapolated(config: TrialConfig, trial: Trial, draw: Draw, measured: Evaluation) -> TrainingSeconds:
    """The costs of a whole trial: training costs by its steps, scoring by the tokens of the rows."""
    from trainable.batching import tokenise
    from trainable.encoder import load_encoder
    from trainable.evaluation.inference import padded_tokens
    from trainable.losses import LOSSES

    data = load(config.dataset)
    pool = data.pool
    encoder = load_encoder(config.encoder, config.encoder_revision, len(data.class_names))
    prompt = encoder.prompt(config.prompt)
    sampled_lengths = tokenise(trial.data.pool, encoder, config.max_length, prompt).lengths
    tokens = partial(padded_tokens, device=_device())

    def of_all(rows: Rows) -> float:
        some, share = _spread(rows)
        return tokens(tokenise(some, encoder, config.max_length, prompt).lengths(np.arange(len(some)))) / share

    train, validation, test = (of_all(rows) for rows in (pool.at(draw.train), pool.at(draw.validation), data.test))
    centroids = config.beta == 0 and not LOSSES[config.fine_tuned_with.name].has_proxies
    read = tokens(sampled_lengths(trial.samples[0].train)) if centroids else 0
    with_train = train if centroids else 0
    sampled = tokens(sampled_lengths(trial.samples[0].validation))
    token = measured.metrics["eval_seconds"] / (sampled + read)
    training = config.steps * measured.metrics["train_seconds"] / trial.config.steps
    scoring = token * (validation + with_train)
    whole = config.replicates * (trainings(config, data) * training + config.evaluations * scoring)
    return TrainingSeconds(whole, training + token * (train + validation + test))


def _spread(rows: Rows, most: int = _TOKENISED) -> tuple[Rows, float]:
    """At most so many rows as stand for all, from everywhere among them, and their share."""
    chosen: NDArray[np.int64] = np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)
    return rows.at(chosen), len(chosen) / len(rows)
