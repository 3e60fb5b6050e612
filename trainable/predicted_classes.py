"""The classes that a trained classifier predicted for the test rows, packed so that a ledger can keep them all.

Shapes: N rows, R rules of inference.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PredictedClasses"]


@dataclass(frozen=True, slots=True)
class PredictedClasses:
    """Predicted classes of N rows by each of R rules.

    rules: their names; the first is the one by which the classifier is selected and judged.
    width: bytes of a class before compression, 1 or 2.
    packed: the classes, compressed, in base 85: rule by rule, those after the first as what differs from it.
    """

    rules: tuple[str, ...]
    width: int
    packed: str

    @classmethod
    def of(cls, by_rule: Mapping[str, NDArray[np.int64]]) -> PredictedClasses:
        """Pack class indices, from 0 to 65,535, of equally many rows for each rule, of which there is at least one."""
        import numpy as np

        classes_RN = np.stack(list(by_rule.values()))
        assert 0 <= classes_RN.min(initial=0) <= classes_RN.max(initial=0) < 2**16, "a class takes two bytes at most"
        width = 1 if classes_RN.max(initial=0) < 2**8 else 2
        bits_RN = classes_RN.astype(_TYPES[width])
        bits_RN[1:] ^= bits_RN[0]  # rules agree on most rows: zeros cost next to nothing
        packed = base64.b85encode(zlib.compress(bits_RN.tobytes(), 9)).decode("ascii")
        return cls(tuple(by_rule), width, packed)

    def by_rule(self) -> dict[str, NDArray[np.int64]]:
        """Return the class indices of the rows by the name of each rule."""
        import numpy as np

        raw = zlib.decompress(base64.b85decode(self.packed))
        bits_RN = np.frombuffer(raw, dtype=_TYPES[self.width]).reshape(len(self.rules), -1).copy()
        bits_RN[1:] ^= bits_RN[0]
        return {rule: bits_N.astype(np.int64) for rule, bits_N in zip(self.rules, bits_RN, strict=True)}

    @property
    def judged(self) -> NDArray[np.int64]:
        """The class indices by the rule that the classifier is judged by."""
        return self.by_rule()[self.rules[0]]

    def to_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {"rules": list(self.rules), "width": self.width, "packed": self.packed}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PredictedClasses:
        """Return what `to_json` gave."""
        return cls(tuple(data["rules"]), data["width"], data["packed"])


_TYPES = {1: "<u1", 2: "<u2"}
