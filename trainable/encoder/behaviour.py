"""What an encoder does with a few rows, tried before any training: a rule for all architectures instead of a list.

Rows are padded on the right and scored in batches, so a row's outputs must not depend on the rows beside it. They do in
encoders that ignore the attention mask, pool or hash over the padding, or look for the end of a text where it stands.

Shapes: N rows, T tokens of the longest one, D embedding size, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trainable.batching import TokenisedRows
from trainable.errors import EncoderError
from trainable.objective import autocast, forward

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Behaviour", "observe"]

_LEAK, _ROUNDING = 1e-3, 1e-5
"""How far a row's outputs may move when it is padded: this share of the differences between rows, and of the largest
value. Rounding in fp32 moves them by about 1e-6 of the largest value; what leaks from padding moves them almost as far
as another text would."""
_BF16 = 0.1
"""How far the outputs of a row may move in mixed precision, as a share of the largest: rounding in bfloat16 moves them
by 0.003 to 0.03."""
_SIGHT = 1e-5  # of the largest value: the state of a token that cannot see what changes moves by rounding alone


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What was seen of an encoder.

    embedding_size: size D of a token's last hidden state.
    first_token_sees: whether the first token's state depends on the text after it; in a causal decoder it does not.
    first_position: the position of a row's first token, where rows can be packed without their padding
        (`packing.PackedModel`); None where they cannot.
    bears_bf16: whether it computes the same, but for rounding, in mixed precision of bfloat16 and fp32.
    body_alone: whether its body has the same states alone as within the classifier. That of Longformer has not, which
        gives the first token its global attention.
    """

    embedding_size: int
    first_token_sees: bool
    first_position: int | None = None
    bears_bf16: bool = False
    body_alone: bool = True


def observe(
    name: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lengths: Sequence[int],
    *,
    fully: bool = False,
) -> Behaviour:
    """Score rows of `lengths` tokens, the longest last, alone and together: without dropout, in fp32, on the CPU.

    The longest row is never padded, so it is scored only together with the others. A row that is too long raises an
    error on the CPU, but ends a process that uses a GPU.

    fully: whether to try too what makes it faster, rows without their padding and mixed precision, and its body alone.

    Raises EncoderError if the encoder cannot score them, or if a row's outputs depend on the rows beside it.
    """
    model.to("cpu")  # type: ignore[arg-type]  # the library's wrapper hides the signature
    with _undisturbed(model), _failing_in_words(name, model, lengths[-1]):
        rows = _rows(tokenizer, lengths)
        together = _outputs(model, rows, *range(len(lengths)))
        alone = [_outputs(model, rows, row) for row in range(len(lengths) - 1)]
        behaviour = Behaviour(
            embedding_size=int(together[1].shape[2]),
            first_token_sees=_first_token_sees(model, rows),
            first_position=_first_position(model, rows, together) if fully else None,
            bears_bf16=fully and _bears_bf16(model, rows, alone[0]),
            body_alone=not fully or _body_alone(model, rows, together[1]),
        )
    if not all(bool(outputs.isfinite().all()) for outputs in together):  # a training will say so, as diverged
        return Behaviour(behaviour.embedding_size, first_token_sees=True)
    if _leak(alone, together) > 1:
        raise EncoderError(
            f"a row's scores must not depend on the rows beside it; {name!r} ({model.config.model_type}) scores rows "
            f"of {', '.join(map(str, lengths))} tokens differently alone and padded on the right to the longest: "
            "choose an encoder that leaves padding out by its attention mask, such as roberta-base"
        )
    return behaviour


@contextmanager
def _undisturbed(model: PreTrainedModel) -> Iterator[None]:
    """Leave the random state and the mode of the model as they are.

    Under no_grad instead of inference_mode: what a model keeps of the first batch, such as its tables of positions,
    must still serve in training.
    """
    import torch

    training = model.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model.eval()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            model.train(training)


@contextmanager
def _failing_in_words(name: str, model: PreTrainedModel, longest: int) -> Iterator[None]:
    """Raise EncoderError where the encoder cannot score rows of up to so many tokens, but for lack of memory."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # each architecture has code of its own
        said = " ".join(str(error).split("\n")[0].split())
        raise EncoderError(
            f"an encoder must score rows of {longest} tokens; {name!r} ({model.config.model_type}) does not "
            f"({type(error).__name__}: {said}): lower max_length, or choose another encoder"
        ) from error


def _rows(tokenizer: PreTrainedTokenizerBase, lengths: Sequence[int]) -> TokenisedRows:
    """Return rows of `lengths` tokens, each of other words of the vocabulary, as the tokenizer frames and cuts them."""
    special = set(tokenizer.all_special_ids)
    ordinary = np.array([token for token in range(len(tokenizer)) if token not in special])
    encoded = []
    for number, length in enumerate(lengths):
        chosen = np.linspace(number, len(ordinary) - 1, length, dtype=int)
        words = [str(tokenizer.decode([int(token)])).strip() for token in ordinary[chosen]]
        encoded.append(tokenizer(" ".join(words * 4), truncation=True, max_length=length))
    ids, types = ([row[part] for row in encoded if part in row] for part in ("input_ids", "token_type_ids"))
    return TokenisedRows(
        ids_L=np.concatenate(ids).astype(np.int32),
        types_L=np.concatenate(types).astype(np.int8) if types else None,
        starts=np.cumsum([0, *map(len, ids)], dtype=np.int64),
        labels_N=np.zeros(len(ids), dtype=np.int64),
        pad_id=int(tokenizer.pad_token_id),
    )


def _outputs(model: PreTrainedModel, rows: TokenisedRows, *chosen: int) -> tuple[Tensor, Tensor]:
    """Return logits_NC and the last hidden state_NTD of the chosen rows."""
    import torch

    batch = rows.batch(np.array(chosen), torch.device("cpu"))
    logits_NC, hidden_NTD = forward(model, batch, hidden=True)
    shape = batch.inputs["input_ids"].shape
    if hidden_NTD is None or hidden_NTD.shape[:2] != shape:
        found = None if hidden_NTD is None else tuple(hidden_NTD.shape)
        raise ValueError(f"its last hidden state must have a vector for each token; {shape} tokens give {found}")
    return logits_NC, hidden_NTD


def _first_token_sees(model: PreTrainedModel, rows: TokenisedRows) -> bool:
    """Return whether another text after the same first token moves the state of that token."""
    ids_L = rows.ids_L.copy()
    ids_L[1 : rows.starts[1]] = ids_L[rows.starts[1] + 1]  # a word of the next row
    before, after = (_outputs(model, each, 0)[1][0, 0] for each in (rows, replace(rows, ids_L=ids_L)))
    return bool((after - before).abs().max() > _SIGHT * before.abs().max())


def _first_position(model: PreTrainedModel, rows: TokenisedRows, padded: tuple[Tensor, Tensor]) -> int | None:
    """Return the first position with which packed rows have the outputs of the padded ones, or None.

    padded: logits_NC and hidden_NTD of all rows.
    """
    import torch

    from trainable.encoder.packing import PackedModel

    batch = rows.batch(np.arange(len(rows.labels_N)), torch.device("cpu"))
    wanted_NC, wanted_MD = padded[0], padded[1].flatten(0, 1)[batch.real_M]
    for first in (0, rows.pad_id + 1):  # as BERT and as RoBERTa number them
        try:
            logits_NC, hidden_NTD = forward(PackedModel(model, first), batch, hidden=True)
            assert hidden_NTD is not None, "it was asked for"
            moved_NC, moved_MD = logits_NC - wanted_NC, hidden_NTD.flatten(0, 1)[batch.real_M] - wanted_MD
        except MemoryError:
            raise
        except Exception:  # noqa: S112  # each architecture has code of its own, and this only makes it faster
            continue
        if max(_share(moved_NC, wanted_NC), _share(moved_MD, wanted_MD)) <= 1:
            return first
    return None


def _bears_bf16(model: PreTrainedModel, rows: TokenisedRows, wanted: tuple[Tensor, Tensor]) -> bool:
    """Return whether the first row, the shortest, has the outputs `wanted` in mixed precision too, but for rounding.

    Some code of architectures mixes types in a way that raises an error there, on any device.
    """
    try:
        with autocast(wanted[0].device, bf16=True):
            found = _outputs(model, rows, 0)
    except MemoryError:
        raise
    except Exception:  # each architecture has code of its own, and this only makes it faster
        return False
    pairs = zip(found, wanted, strict=True)
    return all(bool((now - before).abs().max() <= _BF16 * before.abs().max()) for now, before in pairs)


def _body_alone(model: PreTrainedModel, rows: TokenisedRows, wanted_NTD: Tensor) -> bool:
    """Return whether the body has, without the classifier, the states `wanted_NTD` of all rows."""
    import torch

    batch = rows.batch(np.arange(len(rows.labels_N)), torch.device("cpu"))
    wanted_MD = wanted_NTD.flatten(0, 1)[batch.real_M]
    found_MD = model.base_model(**batch.inputs).last_hidden_state.flatten(0, 1)[batch.real_M]
    return _share(found_MD - wanted_MD, wanted_MD) <= 1


def _leak(alone: Sequence[tuple[Tensor, Tensor]], together: tuple[Tensor, Tensor]) -> float:
    """Return how far the outputs of rows in a batch are from those of the rows alone, as a multiple of what is allowed.

    alone: logits_1C and hidden_1TD of each row.
    """
    import torch

    logits_NC, hidden_NTD = together
    wanted_MC, beside_MC = torch.cat([logits for logits, _ in alone]), logits_NC[: len(alone)]
    wanted_MD = torch.cat([states[0] for _, states in alone])
    beside_MD = torch.cat([row[: states.shape[1]] for row, (_, states) in zip(hidden_NTD, alone, strict=False)])
    return max(_share(beside_MC - wanted_MC, logits_NC), _share(beside_MD - wanted_MD, hidden_NTD.flatten(0, 1)))


def _share(difference: Tensor, values_MD: Tensor) -> float:
    spread = (values_MD - values_MD.mean(dim=0)).abs().max()
    return float(difference.abs().max() / (_LEAK * spread + _ROUNDING * values_MD.abs().max()))
