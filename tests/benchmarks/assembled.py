"""The assembled arm: a sweep put together from the public examples of each library, in an afternoon.

A Ray Tune function trainable around the Hugging Face Trainer, OptunaSearch, ASHAScheduler, MLflowLoggerCallback. What
the examples leave open is chosen in its favour: no checkpoints, no dashboard, and rows of at most 64 tokens (in the
fine-tuning guide of transformers the limit is the encoder's own, here 512). The learning rates of the benchmark are
OptunaSearch's first points. `--padding max_length` pads every row while tokenising, as that guide does; with
`--padding batch` each batch is padded to its longest row, as in the Trainer chapter of the Hugging Face course. The
loss is cross-entropy, as in the other arms. Only the timers in `ReportToTune` are here for the benchmark's sake.

`--expert` is how somebody writes it who knows these libraries well: batches padded to their longest row, rows of like
length together in training and evaluation, workers that Tune reuses, and rows tokenised once in each of them. `--bf16`
is mixed precision, which `precision: auto` is on a processor with AMX.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray
from datasets import load_dataset
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from typing_extensions import override


class ReportToTune(TrainerCallback):
    """Sends each evaluation to Tune."""

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.since = time.perf_counter()

    @override
    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        metrics = kwargs["metrics"]
        elapsed = time.perf_counter() - self.since
        tune.report({**metrics, "train_seconds": elapsed - metrics["eval_runtime"]})
        self.since = time.perf_counter()


def accuracy(prediction: Any) -> dict[str, float]:
    logits, labels = prediction
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}


def tokenised(config: dict[str, Any]) -> tuple[Any, Any]:
    """The tokenizer and the rows of a trial."""
    tokenizer = AutoTokenizer.from_pretrained(config["model"])

    def tokenize(rows: dict[str, Any]) -> Any:
        padding = "max_length" if config["padding"] == "max_length" else False
        return tokenizer(rows["text"], truncation=True, max_length=config["max_length"], padding=padding)

    files = {part: f"{config['data']}/{part}.csv" for part in ("train", "validation")}
    return tokenizer, load_dataset("csv", data_files=files).map(tokenize, batched=True)


KNOWN: list[tuple[Any, Any]] = []  # to a worker, over its trials


def tokenised_once(config: dict[str, Any]) -> tuple[Any, Any]:
    """The same for an expert: once in a worker, with the validation rows in order of their lengths."""
    if not KNOWN:
        tokenizer, dataset = tokenised(config)
        lengths = dataset["validation"].map(lambda row: {"length": len(row["input_ids"])})
        dataset["validation"] = lengths.sort("length").remove_columns("length")
        KNOWN.append((tokenizer, dataset))
    return KNOWN[0]


def train_classifier(config: dict[str, Any]) -> None:
    """Train one trial: load, tokenise, fine-tune, and send each evaluation to Tune."""
    tokenizer, dataset = (tokenised_once if config["expert"] else tokenised)(config)
    model = AutoModelForSequenceClassification.from_pretrained(config["model"], num_labels=config["classes"])
    arguments = TrainingArguments(
        output_dir="trainer",
        learning_rate=config["learning_rate"],
        weight_decay=0.01,
        warmup_steps=0.1,
        max_steps=config["steps"],
        per_device_train_batch_size=32,
        per_device_eval_batch_size=64,
        eval_strategy="steps",
        eval_steps=config["steps"] // config["evaluations"],
        save_strategy="no",
        train_sampling_strategy="group_by_length" if config["expert"] else "random",
        report_to="none",
        bf16=config["bf16"],
        use_cpu=config["bf16"],  # without it, mixed precision is refused where there is no GPU
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=dataset["train"],
        eval_dataset=dataset["validation"],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=accuracy,
        callbacks=[ReportToTune()],
    )
    trainer.train()


def main() -> None:
    """Run the sweep and write the results of its trials."""
    options = _options()
    rates = [float(rate) for rate in options.rates.split(",")]
    fixed = {name: value for name, value in vars(options).items() if name not in ("rates", "slots", "out")}
    ray.init(address="local", num_cpus=options.slots, include_dashboard=False)
    tuner = tune.Tuner(
        tune.with_resources(train_classifier, {"cpu": 1}),
        param_space={"learning_rate": tune.loguniform(min(rates), max(rates)), **fixed},
        tune_config=tune.TuneConfig(
            metric="eval_accuracy",
            mode="max",
            search_alg=OptunaSearch(points_to_evaluate=[{"learning_rate": rate} for rate in rates], seed=0),
            # No trial may be stopped before its last evaluation, since the other arms prune nothing.
            scheduler=ASHAScheduler(max_t=options.evaluations, grace_period=options.evaluations),
            num_samples=len(rates),
            max_concurrent_trials=options.slots,
            reuse_actors=options.expert,
        ),
        run_config=tune.RunConfig(
            name="assembled",
            storage_path=str(Path("ray").resolve()),
            callbacks=[MLflowLoggerCallback(tracking_uri="sqlite:///mlflow.db", experiment_name="benchmark")],
        ),
    )
    results = tuner.fit()
    options.out.write_text(json.dumps([_times(results[number]) for number in range(len(results))]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("--model", "--data", "--rates"):
        parser.add_argument(name, required=True)
    for name in ("--classes", "--slots", "--max-length", "--steps", "--evaluations"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--padding", choices=("max_length", "batch"), required=True)
    parser.add_argument("--expert", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _times(result: Any) -> dict[str, Any]:
    table = result.metrics_dataframe
    return {
        "learning_rate": result.config["learning_rate"],
        "scores": table["eval_accuracy"].tolist(),
        "training": float(table["train_seconds"].sum()),
        "evaluation": float(table["eval_runtime"].sum()),
    }


if __name__ == "__main__":
    main()
