"""What every entry of the table of losses must do; a new loss is covered by its line in the table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from trainable.losses import LOSSES, LossEntry
from trainable.testing import LossContract
from trainable.testing.losses import C, separable_rows, trained_proxies

PROXY = {name: entry for name, entry in LOSSES.items() if entry.has_proxies}


class TestEveryLoss(LossContract):
    @pytest.fixture(params=LOSSES.values(), ids=list(LOSSES))
    def entry(self, request: pytest.FixtureRequest) -> LossEntry:
        found: LossEntry = request.param
        return found


@pytest.mark.parametrize("entry", LOSSES.values(), ids=LOSSES)
def test_its_fields_lie_in_its_own_file(entry: LossEntry) -> None:
    assert entry.config.__module__ == f"trainable.losses.{entry.name}"


def test_each_file_of_the_folder_is_one_loss_of_the_table_and_bears_its_name() -> None:
    folder = Path(sys.modules["trainable.losses"].__path__[0])
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "entry", "table"} == set(LOSSES)


INVALID: list[tuple[str, dict[str, Any]]] = [
    ("soft_triple", {"centers_per_class": 0}),
    ("soft_triple", {"centers_per_class": 2.5}),
    ("soft_triple", {"la": 0}),
    ("soft_triple", {"gamma": 0}),
    ("soft_triple", {"gamma": 1e-40}),
    ("soft_triple", {"margin": -0.1}),
    ("soft_triple", {"margin": 2.1}),
    ("proxy_anchor", {"alpha": 0}),
    ("proxy_anchor", {"margin": 1}),
    ("proxy_anchor", {"margin": -0.1}),
    ("proxy_nca", {"softmax_scale": 0}),
    ("proxy_nca", {"softmax_scale": 30}),
    ("normalized_softmax", {"temperature": 0}),
    ("normalized_softmax", {"temperature": -0.05}),
    ("arcface", {"margin": -1}),
    ("arcface", {"margin": 200}),
    ("arcface", {"scale": 0}),
    ("sub_center_arcface", {"sub_centers": 0}),
    ("sub_center_arcface", {"sub_centers": 1.5}),
    ("sub_center_arcface", {"margin": 91}),
    ("sub_center_arcface", {"scale": -64}),
    ("cosface", {"margin": 1}),
    ("cosface", {"margin": -0.1}),
    ("cosface", {"scale": 0}),
    ("supcon", {"temperature": 0}),
    ("supcon", {"temperature": -0.1}),
    ("supcon", {"temperature": 1e-40}),
    ("triplet", {"margin": 0}),
    ("triplet", {"margin": 2.1}),
    ("n_pairs", {"temperature": 0.1}),
    ("multi_similarity", {"alpha": 0}),
    ("multi_similarity", {"beta": 0}),
    ("multi_similarity", {"base": 1.1}),
    ("circle", {"m": 0}),
    ("circle", {"m": 1}),
    ("circle", {"gamma": 0}),
    ("contrastive", {"pos_margin": -0.1}),
    ("contrastive", {"neg_margin": 2.1}),
    ("contrastive", {"pos_margin": 0.5, "neg_margin": 0.5}),
    ("contrastive", {"pos_margin": 1.0, "neg_margin": 0.0}),
    ("cross_entropy", {"margin": 0.1}),
]


@pytest.mark.parametrize(("name", "fields"), INVALID, ids=str)
def test_values_that_would_fail_or_train_backwards_in_silence_are_refused(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        LOSSES[name].config.model_validate({"name": name, **fields})
    assert any(field in str(caught.value) for field in fields)


def test_the_margins_of_contrastive_that_cross_are_refused_with_rule_values_and_remedy() -> None:
    with pytest.raises(ValidationError) as caught:
        LOSSES["contrastive"].config.model_validate({"name": "contrastive", "pos_margin": 0.8, "neg_margin": 0.4})
    message = "neg_margin must be greater than pos_margin; received pos_margin=0.8 and neg_margin=0.4: raise neg_margin"
    assert message in str(caught.value)


@pytest.mark.slow
def test_neither_the_package_nor_the_table_of_losses_imports_torch() -> None:
    code = (
        "import sys, trainable, trainable.losses.table; print({'torch', 'pytorch_metric_learning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("entry", PROXY.values(), ids=PROXY)
def test_the_library_s_own_logits_favour_the_farthest_class_for_proxy_nca_alone(entry: LossEntry) -> None:
    """The published rule takes them as they are (TrialConfig.compatibility); class_scores sets the sign right."""
    embeddings_ND, labels_N = separable_rows(torch.arange(30) % C)
    module: Any = trained_proxies(entry, embeddings_ND, labels_N)
    with torch.no_grad():
        logits_NC = module.get_logits(embeddings_ND)
    nearest_N = logits_NC.argmin(dim=1) if entry.name == "proxy_nca" else logits_NC.argmax(dim=1)
    assert torch.equal(nearest_N, labels_N)
