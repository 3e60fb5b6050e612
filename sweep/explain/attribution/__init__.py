"""Single predictions explained: what each word adds, what a text is near to, and whether the explanation holds.

classifier and texts -> words and their tokens -> integrated gradients, words left out, nearest rows and proxies
    -> predictions -> checks, tables, marked words

Nothing here knows of sweeps: a classifier is all that is needed.
"""

from sweep.explain.attribution.explained import Prediction, explained_predictions
from sweep.explain.attribution.explanations import Explanations
from sweep.explain.attribution.near import Examples

__all__ = ["Examples", "Explanations", "Prediction", "explained_predictions"]
