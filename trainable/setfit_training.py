"""The library SetFit at work on a trial: the recipe `setfit`.

Shapes: N rows to score, M training rows, C classes, S of them with training rows.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainable.classifier import joined
from trainable.draws import initialisation_seed
from trainable.encoder import check_encoder
from trainable.encoder.places import encoder_files, module_files
from trainable.encoder.requirements import ensure_padding
from trainable.evaluation.heads import spread_scores
from trainable.evaluation.parts import assess_parts
from trainable.learner import DivergedError
from trainable.precision import accelerator, trained_on
from trainable.quiet import quiet
from trainable.recipes.entry import Measurement
from trainable.recipes.setfit import SetFit

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from trainable.datasets.text_data import Rows
    from trainable.recipes.entry import Trial

__all__ = ["Fitted", "SetFitTraining", "forget", "undisturbed"]

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFitTraining:
    """The recipe at work on a trial.

    trial: what all of its replicates share.
    body: its encoder with the pooling and further modules of its folder; the mean of the tokens if it names none.
    pretrained: the weights of the body, on the CPU.
    """

    trial: Trial
    body: SentenceTransformer
    pretrained: Mapping[str, Tensor]

    @classmethod
    def begun(cls, trial: Trial) -> SetFitTraining:
        """Load the encoder. Raises TrainableError if it cannot be used."""
        config = trial.config
        check_encoder(config.encoder, config.encoder_revision, config.max_length)
        body, pretrained = _loaded(config.encoder, config.encoder_revision)
        body.max_seq_length = config.max_length
        return cls(trial=trial, body=body, pretrained=pretrained)

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Train on `trial.samples[replicate]`, and yield the one measurement of it."""
        trial, began = self.trial, perf_counter()
        with undisturbed():
            fitted = self.fitted(replicate)
            trained = perf_counter()
            scored = assess_parts(trial, replicate, lambda rows, wanted: self.scores(fitted, rows, wanted))
        times = {"train_seconds": trained - began, "eval_seconds": perf_counter() - trained}
        where = trained_on(self.body.device, bf16=False)
        yield Measurement.of(scored, step=fitted.step, metrics={**fitted.losses, **times}, trained_on=where)

    def fitted(self, replicate: int) -> Fitted:
        """Train the pretrained encoder, then the head, on `trial.samples[replicate]`."""
        trial = self.trial
        seed = initialisation_seed(trial.config.seed, trial.draws[replicate], trial.initialisation)
        return self._fitted(trial.samples[replicate].train, seed)

    @property
    def separator(self) -> str:
        """What stands between the two texts of a pair, of which the library is given one text."""
        return getattr(self.body.tokenizer, "sep_token", None) or "\n"

    @property
    def prompt(self) -> str:
        """What the library puts before every text that it embeds."""
        return (self.body.prompts or {}).get(self.body.default_prompt_name or "") or ""

    def release(self) -> None:
        """Give up the gradients, and the accelerator's memory."""
        self.body.zero_grad(set_to_none=True)
        self.body.to("cpu")

    @property
    def config(self) -> SetFit:
        """The fields of the recipe."""
        assert isinstance(self.trial.config.recipe, SetFit), "the recipe begins its own trials"
        return self.trial.config.recipe

    def _fitted(self, train_M: Indices, seed: int) -> Fitted:
        """Train the pretrained encoder, then the head. A draw of one class teaches nothing but that class."""
        from datasets import Dataset
        from setfit import SetFitModel, Trainer
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
        from transformers import PrinterCallback

        pool = self.trial.data.pool
        texts, labels = self._texts(pool, train_M), pool.labels_N[train_M].tolist()
        self.body.load_state_dict(self.pretrained)
        self.body.to(accelerator())
        model = SetFitModel(model_body=self.body, model_head=LogisticRegression(C=self.config.C))
        if len(set(labels)) == 1:
            return Fitted(model, np.unique(labels), 0, {})
        rows = Dataset.from_dict({"text": texts, "label": labels})
        with TemporaryDirectory() as folder:
            trainer = Trainer(model=model, args=self._arguments(folder, seed), train_dataset=rows)
            trainer.pop_callback(PrinterCallback)
            trainer.train_embeddings(texts, labels)
            state = trainer.st_trainer.state
            self._check_finite(state.global_step)
            trainer.train_classifier(texts, labels)
        losses = {name: float(value) for name, value in state.log_history[-1].items() if name == "train_loss"}
        return Fitted(model, model.model_head.classes_, state.global_step, losses)

    def _arguments(self, folder: str, seed: int) -> Any:
        """The library's arguments: the fields, and that nothing is reported or kept."""
        from setfit import TrainingArguments

        config = self.config
        return TrainingArguments(
            output_dir=folder,
            body_learning_rate=config.body_learning_rate,
            num_epochs=config.num_epochs,
            batch_size=config.batch_size,
            sampling_strategy=config.sampling_strategy,
            num_iterations=config.num_iterations,
            max_steps=-1 if config.max_steps is None else config.max_steps,
            warmup_proportion=config.warmup_proportion,
            l2_weight=config.l2_weight,
            seed=seed,
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            show_progress_bar=False,
        )

    def scores(self, fitted: Fitted, rows: Rows, wanted: Indices) -> NDArray[np.float64]:
        """Return the head's log-probabilities_NC; a class without training rows has the lowest that there is."""
        lowest = float(np.log(np.finfo(np.float64).tiny))
        if len(fitted.present) == 1:
            log_NS = np.zeros((len(wanted), 1))
        else:
            texts = self._texts(rows, wanted)
            probabilities_NS = fitted.model.predict_proba(texts, as_numpy=True, show_progress_bar=False)
            log_NS = np.log(np.maximum(probabilities_NS, np.finfo(np.float64).tiny))
        return spread_scores(log_NS, fitted.present, len(self.trial.data.class_names), lowest - 1)

    def _texts(self, rows: Rows, wanted: Indices) -> list[str]:
        """The library takes single texts: those of a pair stand in one, with the tokenizer's separator between."""
        if rows.pairs is None:
            return [rows.texts[row] for row in wanted]
        cut = (self.body.tokenizer, self.separator, self.trial.config.max_length, self.prompt)
        return [joined(rows.texts[row], rows.pairs[row], *cut) for row in wanted]

    def _check_finite(self, step: int) -> None:
        import torch

        if not all(torch.isfinite(weight).all() for weight in self.body.parameters()):
            raise DivergedError(step, f"weights are not finite after step {step}")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model of the library.

    model: encoder and head.
    present: the S classes that the head knows.
    step: optimiser steps that were taken.
    losses: `train_loss`, the mean over them.
    """

    model: Any
    present: Indices
    step: int
    losses: Mapping[str, float]


_LOADED: dict[tuple[str, str | None], tuple[SentenceTransformer, Mapping[str, Tensor]]] = {}


def _loaded(name: str, revision: str | None) -> tuple[SentenceTransformer, Mapping[str, Tensor]]:
    """Return the body and its pretrained weights; the one used last is kept in the process's memory."""
    from sentence_transformers import SentenceTransformer

    if (name, revision) not in _LOADED:
        _LOADED.clear()
        module_files(name, revision)  # they are checked, and downloaded, before anything reads them
        folder = encoder_files(name, revision)[0].parent
        with quiet():
            body = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
            )
        body.float()
        encoder: Any = body[0]
        ensure_padding(name, encoder.auto_model, body.tokenizer)
        pretrained = {key: value.detach().clone() for key, value in body.state_dict().items()}
        _LOADED[name, revision] = body, pretrained
    return _LOADED[name, revision]


def forget() -> None:
    """Load the body anew when it is asked for next."""
    _LOADED.clear()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the library silent, and leave the random state of the process as it was."""
    import datasets
    import setfit.logging as setfit_logging
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    verbosity, bars = setfit_logging.get_verbosity(), datasets.are_progress_bars_disabled()
    setfit_logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        with quiet(), warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        setfit_logging.set_verbosity(verbosity)
        if not bars:
            datasets.enable_progress_bars()
