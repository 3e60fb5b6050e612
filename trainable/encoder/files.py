"""Checks of an encoder's files before anything reads them.

Encoders are written by strangers. Code that comes with one is never run, and weights are read from safetensors only.
What remains to be refused: links to private files, and references to pickled weights or to files of other folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainable.containment import contains, is_plain_name
from trainable.errors import EncoderError

__all__ = [
    "check_config",
    "check_folder",
    "check_index",
    "check_modules",
    "check_weights",
    "listed_modules",
    "module_folders",
    "read_mapping",
]

_INDEX = "model.safetensors.index.json"
_MODULES = "modules.json"
_POINTER = b"version https://git-lfs"


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a JSON file holds. Raises OSError, ValueError or RecursionError if it holds none."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it holds no mapping")
    return content


def check_folder(name: str, folder: Path) -> None:
    """Raise EncoderError for a folder with links that lead out of it, with the weights of an adapter, or with an
    encoder in a folder of its own."""
    try:
        straying = sorted(path.name for path in folder.iterdir() if not contains(folder, path))
    except OSError as error:
        raise EncoderError(
            f"the folder of an encoder must be readable; {name!r} is not ({error.strerror}): check its permissions"
        ) from error
    if straying:
        raise EncoderError(
            f"the files of an encoder must lie in its folder; {straying[0]!r} in {name!r} is a link that leads out of "
            "it: copy what it leads to"
        )
    if (folder / "adapter_config.json").exists():
        raise EncoderError(
            f"an encoder must hold all of its weights; {name!r} holds an adapter, which takes the others from "
            "elsewhere (adapter_config.json): merge the two and save the result"
        )
    kind, inner = _first_module(name, folder)
    if kind not in ("", "Transformer"):
        raise EncoderError(
            f"an encoder is a transformer; {name!r} begins with the module {kind} of sentence-transformers "
            f"({_MODULES}): choose an encoder without it"
        )
    if inner:
        raise EncoderError(
            f"the files of an encoder must lie in its folder itself; those of {name!r} lie in {inner!r} there, where "
            "early versions of sentence-transformers put them: save it anew with "
            "`SentenceTransformer(folder).save_pretrained(another)`"
        )


def _first_module(name: str, folder: Path) -> tuple[str, str]:
    """The class, and the folder within an encoder's folder, of the first module that it lists where no encoder lies in
    that folder itself; both empty elsewhere, and for a list that cannot be read, which is told when it is asked for."""
    if (folder / "config.json").exists():
        return "", ""
    try:
        kind, inner = next(iter(listed_modules(name, folder)), ("", ""))
    except EncoderError:
        return "", ""
    return kind.rsplit(".", 1)[-1], inner


def check_config(name: str, config: Mapping[str, Any]) -> None:
    """Raise EncoderError for the content of a config.json that names a file of weights, or weights that are no plain
    numbers, which nothing can train."""
    if "transformers_weights" in config:
        raise EncoderError(
            f"the weights of an encoder stand in model.safetensors; the config.json of {name!r} names "
            f"{config['transformers_weights']!r} instead (transformers_weights): remove that line"
        )
    if quantised := config.get("quantization_config"):
        method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
        raise EncoderError(
            f"the weights of an encoder are trained, which quantised ones cannot be; the config.json of {name!r} "
            f"states quantization_config{f' ({method})' if method else ''}: give the encoder that it was made of"
        )


def check_weights(name: str, files: Sequence[Path]) -> None:
    """Raise EncoderError for files of an encoder of which one is a pointer of Git LFS, and for weights under a name
    that is not looked for."""
    for path in files:
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise EncoderError(
                    f"the files of an encoder must be there; {path.name} of {name!r} is a pointer of Git LFS, not the "
                    "file itself: run `git lfs pull` in its repository"
                )
    weights = [path.name for path in files if path.suffix == ".safetensors"]
    if "model.safetensors" in weights:
        return
    index = next((path for path in files if path.name == _INDEX), None)
    if index is None:
        raise EncoderError(
            f"the weights of an encoder stand in model.safetensors, or in parts beside {_INDEX}; {name!r} has "
            f"{weights[0]!r} and neither of them: {_REMEDY}"
        )
    if absent := sorted(_parts(index) - set(weights)):
        raise EncoderError(
            f"all parts of an encoder's weights must be there; {_INDEX} of {name!r} names {absent[0]!r}, which is not: "
            "fetch it"
        )


def _parts(index: Path) -> set[str]:
    """The files of weights that an index names as `check_index` allows, which tells of all others."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return {str(file) for file in named if is_plain_name(file) and file.endswith(".safetensors")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()


def check_index(name: str, place: Path | str, revision: str | None) -> None:
    """Raise EncoderError if the index of sharded weights names anything but safetensors files beside it.

    place: a folder, or a hub id, whose index is downloaded.
    """
    index = _index(place, revision)
    if index is None:
        return
    try:
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise EncoderError(
            f"the index of an encoder's weights must be readable; {_INDEX} of {name!r} is not ({said}): {_REMEDY}"
        ) from error
    wrong = [file for file in files if not is_plain_name(file) or not file.endswith(".safetensors")]
    if wrong:
        raise EncoderError(
            f"only weights in safetensors beside their index are read, never pickles; {_INDEX} of {name!r} names "
            f"{wrong[0]!r}: {_REMEDY}"
        )


def module_folders(name: str, folder: Path) -> tuple[str, ...]:
    """Return the folders, within an encoder's folder, of the modules that sentence-transformers makes an embedding with
    (pooling, a dense layer); none if it has no list of them. Raises EncoderError as `listed_modules` does."""
    return tuple(path for _, path in listed_modules(name, folder) if path)


def listed_modules(name: str, folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the class and the folder, within an encoder's folder, of each module that modules.json lists; none if
    there is no such file. The folder of the encoder itself is empty.

    Raises EncoderError for a list that cannot be read, and for modules that are not of sentence-transformers.
    """
    if not (folder / _MODULES).exists():
        return ()
    try:
        modules = json.loads((folder / _MODULES).read_text(encoding="utf-8"))
        listed = tuple((str(module["type"]), str(module["path"])) for module in modules)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise EncoderError(
            f"the list of an encoder's modules must be readable; {_MODULES} of {name!r} is not ({said}): save it anew "
            "with `SentenceTransformer.save_pretrained(folder)`"
        ) from error
    for kind, path in listed:
        if not kind.startswith("sentence_transformers.") or (path and not is_plain_name(path)):
            raise EncoderError(
                "the modules of an encoder must be of sentence-transformers and lie in its folder: no other code is "
                f"run; {_MODULES} of {name!r} names {kind!r} in {path!r}: use an encoder without it"
            )
    return listed


def check_modules(name: str, folder: Path, modules: Sequence[str]) -> None:
    """Raise EncoderError for modules with files that are links out of the encoder's folder, or with pickled weights."""
    for file in (file for module in modules for file in sorted((folder / module).glob("*"))):
        if not contains(folder, file):
            raise EncoderError(
                f"the files of an encoder must lie in its folder; {file.relative_to(folder).as_posix()!r} in {name!r} "
                "is a link that leads out of it: copy what it leads to"
            )
        if file.suffix == ".bin" and not file.with_name("model.safetensors").exists():
            raise EncoderError(
                f"only weights in safetensors are read, never pickles; {name!r} has "
                f"{file.relative_to(folder).as_posix()!r}: save it anew with `SentenceTransformer.save_pretrained`"
            )


_REMEDY = "save it anew with `model.save_pretrained(folder)`"


def _index(place: Path | str, revision: str | None) -> Path | None:
    if isinstance(place, Path):
        return place / _INDEX if (place / _INDEX).exists() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(place, _INDEX, revision=revision))
    except EntryNotFoundError:  # neither on the hub nor, without a network, in the cache
        return None
