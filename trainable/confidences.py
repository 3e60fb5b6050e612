"""How sure a trained classifier was of each test row, packed so that a ledger can keep it for all of them.

Of N rows, one or two bytes are kept for each of these values, two where there are at most `PRECISE` rows:

- `confidence`: the probability of the predicted class;
- `true`: that of the row's own class;
- `others`: the root of the sum of squares of those of all further classes, so that a Brier score can be computed;
- `tempered_confidence`, `tempered_true`, `tempered_others`: the same of scores that are divided by a temperature;
- `nearness`: the score of the nearest proxy or centroid, larger = nearer;
- `margin`: how much larger it is than that of the next class.

A probability p is kept as r / (r + s) with r = p ** (1/3) and s = (1 - p) ** (1/3), which is fine near 0 and 1, where
its logarithm needs it: with one byte, p errs by at most 0.006 and its log-odds by 2 % of them or 0.03 up to 0.999.

Shapes: N rows, C classes, V values.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

__all__ = ["PRECISE", "TEMPERED", "Confidences"]

TEMPERED = "tempered_"
"""What names of values begin with that have a temperature."""
PRECISE = 4_000
"""Up to so many rows, a value has two bytes."""
_SHARES = ("confidence", "true", "others")


@dataclass(frozen=True, slots=True)
class Confidences:
    """How sure a classifier was of N rows, by the rule that it is judged by.

    temperature: what scores are divided by before they become `tempered_` probabilities, fitted to rows that neither
        trained nor test; None where there were none.
    names: which of the values above are kept, in their order.
    bounds: of `nearness` and `margin`, the lowest and the highest value.
    width: bytes of a value before compression, 1 or 2.
    packed: the values, compressed, in base 85.
    """

    temperature: float | None
    names: tuple[str, ...]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    width: int = 1
    packed: str = ""

    @classmethod
    def of(
        cls,
        scores_NC: Floats,
        labels_N: NDArray[np.int64],
        *,
        temperature: float | None = None,
        nearest_NC: Floats | None = None,
    ) -> Confidences:
        """Pack what the scores say, whose softmax is the probabilities.

        nearest_NC: scores by the nearest proxy or centroid; None where there is nothing of the kind.
        """
        import numpy as np

        shares = _shares(scores_NC, labels_N, "")
        if temperature is not None:
            shares |= _shares(scores_NC / temperature, labels_N, TEMPERED)
        scales = {} if nearest_NC is None else _nearest(nearest_NC)
        bounds = {name: (float(values_N.min()), float(values_N.max())) for name, values_N in scales.items()}
        spread = {name: (values_N - bounds[name][0]) / _length(bounds[name]) for name, values_N in scales.items()}
        values = {**shares, **spread}
        width = 2 if len(labels_N) <= PRECISE else 1
        codes_VN = np.stack([np.rint(values_N * _highest(width)) for values_N in values.values()]).astype(f">u{width}")
        for place, name in enumerate(values):
            if name.endswith("true"):  # of a row that is classified correctly it is the confidence: zeros cost nothing
                codes_VN[place] ^= codes_VN[place - 1]
        raw = np.moveaxis(
            codes_VN.view(np.uint8).reshape(*codes_VN.shape, width), 2, 1
        ).tobytes()  # bytes by their rank
        return cls(temperature, tuple(values), bounds, width, base64.b85encode(zlib.compress(raw, 9)).decode("ascii"))

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Return the values of the rows by their names."""
        import numpy as np

        raw = np.frombuffer(zlib.decompress(base64.b85decode(self.packed)), dtype=np.uint8)
        bytes_VWN = raw.reshape(len(self.names), self.width, -1)
        codes_VN = np.ascontiguousarray(np.moveaxis(bytes_VWN, 1, 2)).view(f">u{self.width}")[:, :, 0].astype(np.int64)
        found: dict[str, NDArray[np.float64]] = {}
        for place, name in enumerate(self.names):
            if name.endswith("true"):
                codes_VN[place] ^= codes_VN[place - 1]
            share_N = codes_VN[place] / _highest(self.width)
            if name in self.bounds:
                found[name] = self.bounds[name][0] + share_N * _length(self.bounds[name])
            else:
                found[name] = share_N if name.endswith("others") else _probability(share_N, self.width)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {
            "temperature": self.temperature,
            "names": list(self.names),
            "bounds": {name: list(ends) for name, ends in self.bounds.items()},
            "width": self.width,
            "packed": self.packed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Confidences:
        """Return what `to_json` gave."""
        bounds = {name: (low, high) for name, (low, high) in data["bounds"].items()}
        return cls(data["temperature"], tuple(data["names"]), bounds, data["width"], data["packed"])


def _shares(raw_NC: Floats, labels_N: NDArray[np.int64], prefix: str) -> dict[str, NDArray[np.float64]]:
    """The values of probabilities, from 0 to 1 as they are kept."""
    import numpy as np

    scores_NC: NDArray[np.float64] = raw_NC.astype(np.float64)
    said_N, rows_N = scores_NC.argmax(axis=1), np.arange(len(labels_N))
    rest_NC = np.exp(scores_NC - scores_NC.max(axis=1, keepdims=True))
    rest_NC /= rest_NC.sum(axis=1, keepdims=True)
    rest_NC[rows_N, said_N] = rest_NC[rows_N, labels_N] = 0.0
    shares = (_share(scores_NC, said_N), _share(scores_NC, labels_N), np.sqrt((rest_NC**2).sum(axis=1)))
    return {prefix + name: values_N for name, values_N in zip(_SHARES, shares, strict=True)}


def _share(scores_NC: NDArray[np.float64], classes_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is kept of the probability of a class: a logistic function of a third of its log-odds."""
    import numpy as np

    rows_N, others_NC = np.arange(len(classes_N)), scores_NC.copy()
    others_NC[rows_N, classes_N] = -np.inf
    highest_N = others_NC.max(axis=1)
    rest_N = highest_N + np.log(np.exp(others_NC - highest_N[:, None]).sum(axis=1))
    odds_N = np.clip(scores_NC[rows_N, classes_N] - rest_N, -100.0, 100.0)
    share_N: NDArray[np.float64] = 1 / (1 + np.exp(-odds_N / 3))
    return share_N


def _probability(share_N: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The probability of which `_share` was kept; never 0, since its logarithm is asked for, and never above 1."""
    import numpy as np

    least = 0.25 / _highest(width)  # what is kept of 0 is nearer to 0 than to the next value
    inner_N = np.clip(share_N, least, 1 - least)
    probability_N: NDArray[np.float64] = 1 / (1 + ((1 - inner_N) / inner_N) ** 3)
    return probability_N


def _nearest(nearest_NC: Floats) -> dict[str, NDArray[np.float64]]:
    import numpy as np

    sorted_NC = np.sort(nearest_NC.astype(np.float64), axis=1)
    return {"nearness": sorted_NC[:, -1], "margin": sorted_NC[:, -1] - sorted_NC[:, -2]}


def _length(bounds: tuple[float, float]) -> float:
    return (bounds[1] - bounds[0]) or 1.0


def _highest(width: int) -> int:
    return int(2 ** (8 * width) - 1)
