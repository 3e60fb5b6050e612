"""Which labels look wrong, and where an arm errs: from predictions that the ledger keeps, without training.

kept predictions and frozen embeddings -> votes -> doubtful labels, slices, flips -> sections -> one page and its data
"""

from sweep.explain.explain import Explanation, explain_stored
from sweep.explain.winners import explain_winners

__all__ = ["Explanation", "explain_stored", "explain_winners"]
