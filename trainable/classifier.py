"""A trained text classifier that is kept in a folder: texts in, labels and probabilities out.

This file needs torch, transformers and safetensors alone, and no other file of the project: a copy of it lies in every
folder that it writes, so that the classifier answers where the project is not installed.

    from classifier import Classifier          # in the folder; or: from trainable.classifier import Classifier
    classifier = Classifier.load("folder")
    classifier.predict(["my card was stolen"])

The folder holds the encoder and its tokenizer as transformers saves them, `classifier.json`, and the arrays of the
head in `classifier.safetensors`.

Shapes: N texts, B of a batch, T tokens of the longest, D embedding size, C classes, M training rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = ["Classifier", "listed"]

FORMAT = 1
_BATCH = 32
_LONG = 4  # letters for each token that is read: a pair of longer texts is shortened before it is tokenised
_WORD = 50  # letters of a word
_TOKENIZING = Lock()  # a fast tokenizer keeps for all threads how it cuts and pads, and a server answers in several
_STORED = ("labels", "head", "pooling", "layers", "prompt", "max_length", "paired", "separator", "temperature", "whole")
_ACTIVATIONS = {
    "Identity": lambda values: values,
    "Tanh": torch.tanh,
    "ReLU": F.relu,
    "GELU": F.gelu,
    "SiLU": F.silu,
    "Sigmoid": torch.sigmoid,
    "LeakyReLU": F.leaky_relu,
}


@dataclass(slots=True, kw_only=True)
class Classifier:
    """A classifier of single texts or of pairs.

    labels: the names of the C classes.
    model: the encoder; with the head `own`, or as a whole, a sequence classifier.
    tokenizer: its tokenizer.
    head: the head's fields. `kind` is `own` (the model's), `linear` (weight_CD, bias_C), `centroids` (centroids_CD),
        `proxies` (proxies_QD, Q / C of each class, with `scale`, `of_several` and `sharpness`), `neighbours` (rows_MD,
        labels_M, and `count` that vote), `pairs` (a linear machine for each pair of classes: weight_PD, bias_P,
        pairs_P2) or `mixture` (the probabilities of a `head` and of what is `nearest`, with `weight` and
        `temperature`); `normalise` scales embeddings to length 1 first.
    arrays: those of the head and of the layers after the pooling, by name; `shift` is added to the scores of the head
        `own`.
    pooling: `cls`, `mean` or `last`; of no matter to the head `own`.
    layers: what follows the pooling, each with its `kind`: `Normalize`, `Dense` or `Cut` (to the first `size` numbers).
    prompt: text before every text.
    max_length: tokens of a text that are read.
    paired: whether pairs of texts are classified.
    separator: what makes one text of the two of a pair; empty where the tokenizer takes both.
    temperature: divides the scores before they become probabilities.
    whole: whether embeddings are of the states within the sequence classifier, where its body alone has others.
    """

    labels: tuple[str, ...]
    model: Any
    tokenizer: Any
    head: Mapping[str, Any]
    arrays: dict[str, Tensor] = field(default_factory=dict)
    pooling: str = "mean"
    layers: Sequence[Mapping[str, Any]] = ()
    prompt: str = ""
    max_length: int = 64
    paired: bool = False
    separator: str = ""
    temperature: float = 1.0
    whole: bool = False

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[str]:
        """Return the label of each text, or of each pair of texts."""
        return [self.labels[place] for place in self.scores(texts, pairs).argmax(dim=1).tolist()]

    def predict_proba(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tensor:
        """Return probabilities_NC, with the classes in the order of `labels`."""
        return torch.softmax(self.scores(texts, pairs) / self.temperature, dim=1)

    def scores(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tensor:
        """Return scores_NC; the highest is the predicted class.

        Raises TypeError for anything but lists of texts, and ValueError for lists of different lengths, for pairs where
        single texts are classified or the other way round, and for texts that are no valid Unicode.
        """
        if self.paired != (pairs is not None):
            if self.paired:
                remedy = "give the second text of each as a second list, `pairs`"
                raise ValueError(f"this classifier takes pairs of texts; received single texts: {remedy}")
            raise ValueError("this classifier takes single texts; received pairs: leave out the second texts")
        texts, pairs = listed(texts), None if pairs is None else listed(pairs)
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"as many second texts as first ones are needed; received {len(pairs)} for {len(texts)}")
        if not texts:
            return torch.zeros(0, len(self.labels))
        parts, device = [], next(self.model.parameters()).device
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        self.model.eval()
        with torch.inference_mode():
            for first in range(0, len(order), _BATCH):
                chosen = order[first : first + _BATCH]
                second = None if pairs is None else [pairs[place] for place in chosen]
                inputs = self.tokens([texts[place] for place in chosen], second)
                parts.append(self.batch_scores(inputs.to(device)).float().cpu())
        scores_NC = torch.empty(len(order), len(self.labels))
        scores_NC[torch.tensor(order)] = torch.cat(parts)  # refuses another number of scores than of labels
        return scores_NC

    def tokens(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Any:
        """Return the inputs of the model for some texts, padded to the longest. Threads wait for each other."""
        with _TOKENIZING:
            made = self._tokenized(texts, pairs)
        unread = made["attention_mask"].sum(dim=1) == 0  # by a tokenizer that puts no token of its own around a text
        if unread.any():
            text = texts[int(unread.nonzero()[0])]
            raise ValueError(f"each text needs a token; the tokenizer makes none of {text[:40]!r}: leave it out")
        return made

    def _tokenized(self, texts: Sequence[str], pairs: Sequence[str] | None) -> Any:
        if pairs is not None and self.separator:
            cut = (self.tokenizer, self.separator, self.max_length, self.prompt)
            return self._tokenized([joined(text, pair, *cut) for text, pair in zip(texts, pairs, strict=True)], None)
        first, second = readable([self.prompt + text for text in texts], pairs, self.tokenizer, self.max_length)
        return self.tokenizer(
            first,
            second,
            truncation="longest_first",
            max_length=self.max_length,
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )

    def batch_scores(self, inputs: Any) -> Tensor:
        """Return scores_BC of such inputs."""
        own = self.head["kind"] == "own"
        return self._own_scores(inputs) if own else self.head_scores(self.embeddings(inputs), inputs)

    def head_scores(self, embeddings_BD: Tensor, inputs: Any) -> Tensor:
        """Return scores_BC by embeddings; the inputs are read by a mixture with the model's own head alone."""
        own = {"own": self._own_scores(inputs)} if _has_own(self.head) else {}
        return _head_scores(embeddings_BD, self.head, self.arrays | own, len(self.labels))

    def _own_scores(self, inputs: Any) -> Tensor:
        logits_BC: Tensor = self.model(**inputs).logits.float()
        return logits_BC + self.arrays["shift"] if "shift" in self.arrays else logits_BC

    def embeddings(self, inputs: Any) -> Tensor:
        """Return embeddings_BD of such inputs, which all heads but the model's own read."""
        return self._after_pooling(_pooled(self._states(inputs).float(), inputs["attention_mask"], self.pooling))

    def _states(self, inputs: Any) -> Tensor:
        if self.whole:
            found: Tensor = self.model(**inputs, output_hidden_states=True).hidden_states[-1]
            return found
        body = self.model.base_model if _has_own(self.head) else self.model
        states: Tensor = body(**inputs).last_hidden_state
        return states

    def _after_pooling(self, embeddings_BD: Tensor) -> Tensor:
        for place, layer in enumerate(self.layers):
            if layer["kind"] == "Normalize":
                embeddings_BD = F.normalize(embeddings_BD, dim=1)
                continue
            if layer["kind"] == "Cut":
                embeddings_BD = embeddings_BD[:, : layer["size"]]
                continue
            names = (f"layers.{place}.{part}" for part in ("weight", "bias", "residual"))
            weight, bias, residual = (self.arrays.get(name) for name in names)
            assert weight is not None, "a dense layer has weights"
            found_BD = _ACTIVATIONS[layer["activation"]](F.linear(embeddings_BD, weight, bias))
            added_BD = embeddings_BD if residual is None else F.linear(embeddings_BD, residual)
            embeddings_BD = found_BD + added_BD if layer["added"] else found_BD
        return embeddings_BD

    def save(self, folder: str | Path) -> None:
        """Write the classifier into a folder, which is created if it is missing."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.model.config.id2label = dict(enumerate(self.labels))
        self.model.config.label2id = {name: number for number, name in enumerate(self.labels)}
        self.model.config.problem_type = "single_label_classification"  # whatever its checkpoint was fine-tuned for
        self.model.save_pretrained(place)
        self.tokenizer.save_pretrained(place)
        save_file(
            {name: array.detach().cpu().contiguous() for name, array in self.arrays.items()},
            place / "classifier.safetensors",
        )
        kept = {name: getattr(self, name) for name in _STORED}
        content = {"format": FORMAT, **kept, "sha256": _hashes(place)}
        (place / "classifier.json").write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (place / "classifier.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Classifier:
        """Read a classifier from a folder.

        Raises FileNotFoundError for one that holds none, and ValueError for one of another format, or whose files do
        not belong together.
        """
        from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

        place = Path(folder)
        stored = json.loads((place / "classifier.json").read_text(encoding="utf-8"))
        if stored.pop("format", None) != FORMAT:
            raise ValueError(f"classifier.json in {place} must have the format {FORMAT}: read it with its own version")
        if stored.pop("sha256", None) != _hashes(place):
            raise ValueError(f"weights must be those that classifier.json names by SHA-256; some in {place} are others")
        kind = AutoModelForSequenceClassification if stored.get("whole") or _has_own(stored["head"]) else AutoModel
        model = kind.from_pretrained(place, use_safetensors=True, trust_remote_code=False)
        arrays = load_file(place / "classifier.safetensors", device=device)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        stored["labels"] = tuple(stored["labels"])
        read = cls(model=model.to(device), tokenizer=tokenizer, arrays=arrays, **stored)
        try:
            read.scores(["a"], ["a"] if read.paired else None)
        except RuntimeError as error:  # of arrays that do not fit
            raise ValueError(f"a classifier of {len(read.labels)} labels must give as many scores ({error})") from error
        return read


def _hashes(place: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of weights in a folder."""
    found = {}
    for path in sorted(place.glob("*.safetensors")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def ordered(values: Sequence[Any], rule: str) -> list[Any]:
    """Return the values of a list, an array or a Series as a list, in their order.

    rule: what is asked for, in words. Raises TypeError with it for anything else: the names of a table's columns and
    the keys of a mapping are values too, a set has no order, and what can be read only once may have been.
    """
    if isinstance(values, str | Mapping | Set | Iterator) or hasattr(values, "columns"):
        remedy = "give a list, an array or one column of a table"
        raise TypeError(f"{rule}; received {type(values).__name__}: {str(values)[:80]!r}; {remedy}")
    return list(values)


def listed(texts: Sequence[str]) -> list[str]:
    """Return the texts of a list, an array or a Series as a list, in their order.

    Raises TypeError for anything else, and ValueError for texts that are no valid Unicode.
    """
    found = ordered(texts, "a list of texts is classified")
    if wrong := [text for text in found if not isinstance(text, str)]:
        received = f"{type(wrong[0]).__name__}: [{wrong[0]!r}]"[:240]
        raise TypeError(f"a list of texts is classified; received {received}; leave it out, or give its text (str)")
    broken = [text for text in found if any("\ud800" <= letter <= "\udfff" for letter in text)]
    if broken:
        raise ValueError(f"texts must be valid Unicode; received half of a character in {broken[0][:80]!r}")
    return found


def readable(
    firsts: Sequence[str], seconds: Sequence[str] | None, tokenizer: Any, max_length: int
) -> tuple[list[str], list[str] | None]:
    """Return single texts as they are, and pairs without what nothing is read of, where both are long: a fast tokenizer
    that cuts the longer text of a pair makes all combinations of the pieces of both, in memory that grows with their
    product. It makes the same of what is left."""
    if seconds is None or not tokenizer.is_fast:
        return list(firsts), None if seconds is None else list(seconds)
    pairs = [_shortened(*pair, tokenizer, max_length) for pair in zip(firsts, seconds, strict=True)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def _shortened(first: str, second: str, tokenizer: Any, max_length: int) -> tuple[str, str]:
    """Two texts, of which the longer one keeps more, so that it stays the longer one."""
    if min(len(first), len(second)) <= _LONG * max_length:
        return first, second
    fields = {"add_special_tokens": False, "verbose": False, "return_offsets_mapping": True}
    of_first, of_second = (tokenizer(text, **fields)["offset_mapping"] for text in (first, second))
    most = 2 * max_length + 4 * _WORD  # more tokens than a cut text has
    kept = (most, max_length) if len(of_first) > len(of_second) else (max_length, most)
    part = _to_word_end if tokenizer.truncation_side == "right" else _from_word_start
    return part(first, of_first, kept[0]), part(second, of_second, kept[1])


def _to_word_end(text: str, offsets: Sequence[tuple[int, int]], tokens: int) -> str:
    """So many tokens of a text and what is left of the last word, which may be cut where it is very long."""
    if len(offsets) <= tokens:
        return text
    end = offsets[tokens][1]
    space = re.compile(r"\s").search(text, end, end + _WORD)
    return text[: space.start() if space else end + _WORD]


def _from_word_start(text: str, offsets: Sequence[tuple[int, int]], tokens: int) -> str:
    """The same from the end of a text, for a tokenizer that cuts its beginning."""
    if len(offsets) <= tokens:
        return text
    start = offsets[-tokens - 1][0]
    spaces = [found.start() for found in re.finditer(r"\s", text[max(0, start - _WORD) : start])]
    return text[max(0, start - _WORD) + (spaces[-1] if spaces else 0) :]


def joined(first: str, second: str, tokenizer: Any, separator: str, max_length: int, prompt: str = "") -> str:
    """Return the two texts of a pair as one, cut as `cut_pair` does, with the separator between."""
    return f" {separator} ".join(cut_pair(first, second, tokenizer, separator, max_length, prompt))


def cut_pair(
    first: str, second: str, tokenizer: Any, separator: str, max_length: int, prompt: str = ""
) -> tuple[str, str]:
    """Return two texts that are to be read as one, each without its end where that is too much: of a pair that has more
    than `max_length` tokens the longer text is cut, so that both are read, as where a tokenizer is given both.

    prompt: what will stand before them.
    """

    def tokens(text: str, special: bool = False) -> int:
        return len(tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])

    if tokens(f"{prompt}{first} {separator} {second}", special=True) <= max_length:
        return first, second
    room = max(2, max_length - tokens(f"{prompt} {separator} ", special=True))
    of_first, of_second = tokens(first), tokens(second)
    half = (room + (of_first > of_second)) // 2  # of an odd number the longer one has one more
    kept = min(of_first, max(room - of_second, half))
    return _beginning(first, kept, tokenizer), _beginning(second, room - kept, tokenizer)


def _beginning(text: str, most: int, tokenizer: Any) -> str:
    """The beginning of a text that has no more than `most` tokens."""
    fast = tokenizer.is_fast  # it knows where its tokens stand in the text
    found = tokenizer(text, add_special_tokens=False, verbose=False, return_offsets_mapping=fast)
    if len(found["input_ids"]) <= most:
        return text
    if not fast:
        return str(tokenizer.decode(found["input_ids"][:most]))
    return text[: found["offset_mapping"][most - 1][1]] if most else ""


def _pooled(hidden_BTD: Tensor, mask_BT: Tensor, pooling: str) -> Tensor:
    if pooling == "cls":
        return hidden_BTD[:, 0]
    if pooling == "last":
        return hidden_BTD[torch.arange(mask_BT.shape[0], device=mask_BT.device), mask_BT.sum(dim=1) - 1]
    mask_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
    return (hidden_BTD * mask_BT1).sum(dim=1) / mask_BT1.sum(dim=1)


def _has_own(head: Mapping[str, Any]) -> bool:
    return "own" in (head["kind"], head.get("head", {}).get("kind"))


def _head_scores(embeddings_BD: Tensor, head: Mapping[str, Any], arrays: Mapping[str, Tensor], classes: int) -> Tensor:
    """Return scores_BC by a head's fields and arrays, among them the scores of the model's own head where it counts."""
    if head["kind"] == "mixture":
        parts = (_head_scores(embeddings_BD, head[name], arrays, classes) for name in ("head", "nearest"))
        return _mixed(*parts, weight=head["weight"], temperature=head["temperature"])
    if head["kind"] == "own":
        return arrays["own"]
    if head.get("normalise"):
        embeddings_BD = F.normalize(embeddings_BD, dim=1)
    if head["kind"] in ("linear", "pairs"):
        found_BP = F.linear(embeddings_BD, arrays["weight"], arrays["bias"])
        return found_BP if head["kind"] == "linear" else _won_pairs(found_BP, arrays["pairs"], classes)
    return _near_scores(embeddings_BD, head, arrays, classes)


def _near_scores(embeddings_BD: Tensor, head: Mapping[str, Any], arrays: Mapping[str, Tensor], classes: int) -> Tensor:
    """Return scores_BC by what an embedding is near to."""
    if head["kind"] == "centroids":
        return F.normalize(embeddings_BD, dim=1) @ arrays["centroids"].T
    if head["kind"] == "proxies":
        return float(head["scale"]) * _nearest_of_several(embeddings_BD, arrays["proxies"], head, classes)
    return _votes(embeddings_BD, arrays["rows"], arrays["labels"], head["count"], classes)


def _mixed(head_BC: Tensor, nearest_BC: Tensor, *, weight: float, temperature: float) -> Tensor:
    """Return log-probabilities, in double precision, of the mixture of both parts' probabilities."""
    head_BC, nearest_BC = head_BC.double(), nearest_BC.double() / temperature
    mixed_BC = weight * torch.softmax(head_BC, dim=1) + (1 - weight) * torch.softmax(nearest_BC, dim=1)
    return torch.log(mixed_BC.clamp_min(torch.finfo(torch.float32).tiny))


def _nearest_of_several(embeddings_BD: Tensor, proxies_QD: Tensor, head: Mapping[str, Any], classes: int) -> Tensor:
    """Return for each class the largest cosine to its proxies, or their mean, in which larger ones weigh more."""
    cosines_BQ = F.normalize(embeddings_BD, dim=1) @ F.normalize(proxies_QD, dim=1).T
    cosines_BCK = cosines_BQ.reshape(-1, classes, proxies_QD.shape[0] // classes)
    if head["of_several"] == "max":
        return cosines_BCK.amax(dim=2)
    weights_BCK = torch.softmax(head["sharpness"] * cosines_BCK, dim=2)
    return (weights_BCK * cosines_BCK).sum(dim=2)


def _votes(embeddings_BD: Tensor, rows_MD: Tensor, labels_M: Tensor, count: int, classes: int) -> Tensor:
    """Return each class's votes among the nearest rows; their similarities, less than a vote together, break ties."""
    cosines_BM = F.normalize(embeddings_BD, dim=1) @ F.normalize(rows_MD, dim=1).T
    count = min(count, len(rows_MD))
    if torch.compiler.is_exporting():  # to ONNX, which has no stable sort; its TopK takes the first of equals
        nearest_BK = torch.topk(cosines_BM, count, dim=1).indices
    else:
        nearest_BK = torch.argsort(-cosines_BM, dim=1, stable=True)[:, :count]
    votes_BK = 1 + (1 + cosines_BM.gather(1, nearest_BK)) / 2 / (count + 1)
    return (F.one_hot(labels_M[nearest_BK], classes) * votes_BK.unsqueeze(2)).sum(dim=1)


def _won_pairs(margins_BP: Tensor, pairs_P2: Tensor, classes: int) -> Tensor:
    """Return for each class the pairs that it wins, with its margins, together less than a pair, as a tie-break."""
    wins_BC = margins_BP.new_zeros(margins_BP.shape[0], classes)
    sums_BC = torch.zeros_like(wins_BC)
    for place, (first, second) in enumerate(pairs_P2.tolist()):
        margin_B = margins_BP[:, place]
        wins_BC[:, first] += margin_B >= 0
        wins_BC[:, second] += margin_B < 0
        sums_BC[:, first] += margin_B
        sums_BC[:, second] -= margin_B
    return wins_BC + sums_BC / (3 * (sums_BC.abs() + 1))
