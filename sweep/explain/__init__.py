"""Which labels look wrong, where an arm errs, and why.

kept predictions and frozen embeddings -> votes -> doubtful labels, slices, flips -> sections -> one page and its data
draws trained once more -> single predictions, what each word adds, and whether that holds -> sections of the same page
"""

from sweep.explain.explain import Explanation, explain_stored
from sweep.explain.winners import explain_winners

__all__ = ["Explanation", "explain_stored", "explain_winners"]
