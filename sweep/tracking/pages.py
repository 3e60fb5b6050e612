"""Where MLflow's pages show an experiment and a run, as one of model training.

MLflow 3.17 opens every experiment as one of language models, whose first page is their traces, unless the browser or
the address says otherwise; what the experiment's tag says is read by earlier versions alone. So the tag is set, and
addresses that are shown to a person say it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

__all__ = ["KIND", "KIND_TAG", "PAGES", "experiment_pages", "is_undecided", "run_page"]

KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"
_OPENED_AS = "?workflowType=machine_learning"
_SHOWN = 5

PAGES = f"/#/experiments{_OPENED_AS}"
"""The address of all experiments below that of the pages."""


def is_undecided(kind: str | None) -> bool:
    """Whether nobody has said what kind an experiment is: it has no tag, or one that a page has guessed."""
    return not kind or kind.endswith("_inferred") or kind == "no_inferred_type"


def run_page(experiment: str, run: str) -> str:
    """The address of a run below that of the pages."""
    return f"/#/experiments/{experiment}/runs/{run}{_OPENED_AS}"


def experiment_pages(client: MlflowClient) -> Iterator[tuple[str, str]]:
    """Name and address of the experiments of model training, the last updated first, five at most."""
    found = client.search_experiments(
        filter_string=f"tags.`{KIND_TAG}` = '{KIND}'", order_by=["last_update_time DESC"], max_results=_SHOWN
    )
    for each in found:
        yield each.name, f"/#/experiments/{each.experiment_id}/runs{_OPENED_AS}"
