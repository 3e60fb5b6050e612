"""How the folder of an encoder says that a sentence's embedding is made of those of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from trainable.encoder.files import listed_modules, read_mapping
from trainable.encoder.places import encoder_files, module_files
from trainable.errors import ConfigError, EncoderError

__all__ = [
    "ACTIVATIONS",
    "StatedPooling",
    "module_config",
    "pools_prompt",
    "stated_layers",
    "stated_modules",
    "stated_pooling",
]

StatedPooling: TypeAlias = Literal["cls", "mean", "last"]

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid", "LeakyReLU")
"""Activations of a dense layer, by the names of their classes in torch.nn."""

_FIRST = ("Transformer", "Pooling")
_MODE = "pooling_mode"
_KNOWN: dict[str, StatedPooling] = {"cls": "cls", "mean": "mean", "lasttoken": "last"}


def stated_modules(name: str, revision: str | None) -> tuple[tuple[str, Path], ...]:
    """Return the modules that sentence-transformers makes an embedding with, in their order: the name of each one's
    class, such as `Dense`, and its folder. None for an encoder without a list of them.

    Raises EncoderError for a list, or files, that cannot be used.
    """
    module_files(name, revision)  # checked, and downloaded, before anything reads them
    folder = encoder_files(name, revision)[0].parent
    return tuple((kind.rsplit(".", 1)[-1], folder / path) for kind, path in listed_modules(name, folder))


def stated_pooling(name: str, revision: str | None) -> StatedPooling | None:
    """Return the pooling that the encoder was trained with, as sentence-transformers keeps it beside the weights; None
    if its folder states none.

    Raises ConfigError for a pooling other than the first token, the mean and the last token, and EncoderError for
    modules that cannot be read.
    """
    for kind, folder in stated_modules(name, revision):
        if kind != "Pooling":
            continue
        modes = _modes(module_config(folder))
        if len(modes) == 1 and modes[0] in _KNOWN:
            return _KNOWN[modes[0]]
        raise ConfigError(
            f"an embedding is the first token, the mean of the tokens or the last one; {name!r} was trained with the "
            f"pooling {' and '.join(modes) or 'of nothing'}: choose one by embedding: mean, cls or last"
        )
    return None


def stated_layers(name: str, revision: str | None) -> tuple[tuple[str, Path], ...]:
    """Return the modules after the pooling, `Dense` or `Normalize`, each with its folder.

    Raises ConfigError for modules other than these, or in another order, and EncoderError for those that cannot be
    read.
    """
    modules = stated_modules(name, revision)
    kinds = tuple(kind for kind, _ in modules)
    if modules and kinds[:2] != _FIRST[: len(kinds)]:
        raise ConfigError(
            f"an embedding is made by an encoder, then pooling, then dense layers and scaling; {name!r} was trained "
            f"with the modules {', '.join(kinds)}: leave them out by embedding: mean, cls or last"
        )
    for kind, folder in modules[2:]:
        if kind not in ("Dense", "Normalize"):
            raise ConfigError(
                f"an embedding is made by pooling, dense layers and scaling; {name!r} was trained with a module "
                f"{kind} too: leave it out by embedding: mean, cls or last"
            )
        _check_layer(name, kind, folder)
    return modules[2:]


def _check_layer(name: str, kind: str, folder: Path) -> None:
    stated = kind == "Dense" or (folder / "config.json").exists()  # early versions wrote none for a scaling
    config = module_config(folder) if stated else {}
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    known = activation.startswith("torch.nn.") and activation.rsplit(".", 1)[-1] in ACTIVATIONS
    ends = {str(config.get(key) or "sentence_embedding") for key in ("module_input_name", "module_output_name")}
    if not known or ends != {"sentence_embedding"}:
        received = " and ".join(sorted(ends)) if known else activation
        raise ConfigError(
            f"a dense layer, by one of {', '.join(ACTIVATIONS)}, or a scaling leads from a sentence's embedding to "
            f"another; that of {name!r} in {folder.name} states {received}: leave it out by embedding: mean, cls or "
            "last"
        )


def pools_prompt(name: str, revision: str | None) -> bool:
    """Return whether the tokens of a prompt are part of what is pooled. Raises EncoderError as `stated_modules`."""
    poolings = [module_config(folder) for kind, folder in stated_modules(name, revision) if kind == "Pooling"]
    return all(config.get("include_prompt", True) is not False for config in poolings)


def module_config(folder: Path) -> Mapping[str, Any]:
    """Return the configuration of a module.

    Raises EncoderError for one that cannot be read: a default in its place would be a guess.
    """
    try:
        return read_mapping(folder / "config.json")
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(
            f"the modules of an encoder must be readable; {folder.name}/config.json is not ({error}): save it "
            "anew with `SentenceTransformer.save_pretrained(folder)`, or set embedding: mean"
        ) from error


def _modes(config: Mapping[str, Any]) -> list[str]:
    """Return the poolings that a configuration names: `pooling_mode: cls` since sentence-transformers 6, and before it
    `pooling_mode_cls_token: true`, a key for each."""
    named = config.get(_MODE)
    if named is not None:
        return [str(mode) for mode in (named if isinstance(named, list) else [named])]
    keys = [key.removeprefix(f"{_MODE}_") for key, on in config.items() if key.startswith(f"{_MODE}_") and on is True]
    return [key.removesuffix("_tokens").removesuffix("_token") for key in keys]
