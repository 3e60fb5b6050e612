"""What a package of one's own runs as its tests: `pytest conformance.py`, once it is installed."""

from __future__ import annotations

import pytest
from few_shot_examples import nt_xent, word_counts  # type: ignore[import-not-found]  # until it is installed

from trainable.losses import LossEntry
from trainable.recipes import RecipeEntry
from trainable.testing import LossContract, RecipeContract


class TestNTXent(LossContract):
    @pytest.fixture
    def entry(self) -> LossEntry:
        found: LossEntry = nt_xent.ENTRY
        return found


class TestWordCounts(RecipeContract):
    @pytest.fixture
    def entry(self) -> RecipeEntry:
        found: RecipeEntry = word_counts.ENTRY
        return found
