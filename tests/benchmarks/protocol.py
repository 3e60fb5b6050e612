"""The fixed trials of the benchmark, which every arm trains, so that arms differ only in what surrounds training."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainable.config import DatasetConfig, TrialConfig

__all__ = ["Protocol"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Trials of cross-entropy on TREC, all on one draw of 20 labels; they differ in the learning rate alone.

    data: folder of the SentEval copies.
    trials: number of trials.
    slots: trials at once, each on one thread.
    """

    data: Path
    trials: int = 12
    slots: int = 2

    def learning_rates(self) -> tuple[float, ...]:
        """Return log-spaced rates from 1e-5 to 1e-4, of three digits, so that YAML and JSON give the same numbers."""
        return tuple(float(f"{rate:.2e}") for rate in np.geomspace(1e-5, 1e-4, self.trials))

    def configs(self) -> tuple[TrialConfig, ...]:
        """Return the configurations in the order in which they are handed out."""
        dataset = DatasetConfig(name="trec", path=str(self.data.resolve()), senteval="TREC", holdout="fixed")
        return tuple(
            TrialConfig(
                dataset=dataset,
                shots=20,
                sampling="random",
                validation=1000,
                encoder="all-MiniLM-L6-v2",
                embedding="cls",
                prompt="none",
                encoder_lr=rate,
                steps=60,
                replicates=1,
                evaluations=4,
            )
            for rate in self.learning_rates()
        )

    def spec(self, tracking_uri: str) -> dict[str, Any]:
        """Return the spec of a sweep of the same trials: the rate is a compared axis, and every cell has one trial."""
        config = self.configs()[0]
        return {
            "name": "benchmark",
            "datasets": {
                "trec": {"path": config.dataset.path, "senteval": config.dataset.senteval, "holdout": "fixed"}
            },
            "compare": {
                "dataset": ["trec"],
                "shots": [config.shots],
                "loss": [config.method],
                "encoder_lr": list(self.learning_rates()),
            },
            "trial": {
                "encoder": config.encoder,
                "embedding": config.embedding,
                "head": config.head,
                "prompt": "none",
                "restarts": config.restarts,
                "sampling": config.sampling,
            },
            "protocol": {
                "replicates": config.replicates,
                "evaluations": config.evaluations,
                "steps": config.steps,
                "validation": config.validation,
                "seed": config.seed,
            },
            "budget": {"trials_per_cell": 1, "concurrency": self.slots},
            "pruning": {"rule": "none"},
            "confirm": {"draws": 0},
            "resources": {"cpu": 1, "gpu": 0},
            "tracking": {"uri": tracking_uri, "experiment": "benchmark"},
        }

    def write_rows(self, folder: Path) -> int:
        """Write the draw as train.csv and validation.csv (columns text, label), and return the number of classes."""
        from trainable.datasets import load
        from trainable.draws import draw_of

        config = self.configs()[0]
        data = load(config.dataset)
        draw = draw_of(config, data, 0)
        for name, rows in {"train": draw.train, "validation": draw.validation}.items():
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["text", "label"])
                writer.writerows((data.pool.texts[row], int(data.pool.labels_N[row])) for row in rows)
        return len(data.class_names)
