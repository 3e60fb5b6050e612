"""Conformance suites for losses and recipes of one's own, to be run by pytest.

from my_package.focal import ENTRY
from trainable.testing import LossContract

class TestFocal(LossContract):
    @pytest.fixture
    def entry(self):
        return ENTRY
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("trainable.testing.losses", "trainable.testing.recipes")

from trainable.testing.losses import LossContract  # noqa: E402  # its assertions are rewritten first
from trainable.testing.recipes import RecipeContract  # noqa: E402

__all__ = ["LossContract", "RecipeContract"]
