"""What trials need of the driver's machine, sent through Ray's object store.

The driver reads every dataset once, and resolves every encoder once. A worker gets the rows themselves, and on another
machine the encoder's files too, which it keeps in a folder that all workers of the machine share. So a machine that has
just joined needs neither the files of the spec nor a model hub, and all trials see the very same data.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import TextData, load, provide
from trainable.encoder.places import PACKAGED, encoder_files, module_files, provide_encoder
from trainable.machine_files import locked, shared_folder
from trainable.plugins import Plugin, plugins_of
from trainable.recipes import RECIPES

if TYPE_CHECKING:
    from ray import ObjectRef

__all__ = ["EncoderFiles", "TrialInputs", "kept_encoders", "pack"]

_PIECE = 64 * 2**20  # bytes of a file that travel at a time


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """The files of one encoder, as they travel.

    digest: a hash of their names and contents.
    folder: where they lie on the driver's machine.
    files: by name within the folder, references to their contents in pieces.
    """

    digest: str
    folder: str
    files: Mapping[str, Sequence[ObjectRef[bytes]]]


@dataclass(frozen=True, slots=True)
class TrialInputs:
    """References to all that the trials of a sweep need.

    home: the driver's node.
    datasets: the rows of each dataset.
    encoders: the files of each encoder, by name and revision; empty where all trials run on the driver's machine.
    carried: what a recipe needs beside them, by its fields, as JSON, and the dataset.
    plugins: the losses and recipes of other packages.
    """

    home: str
    datasets: Mapping[DatasetConfig, ObjectRef[TextData]]
    encoders: Mapping[tuple[str, str | None], EncoderFiles]
    carried: Mapping[tuple[str, DatasetConfig], ObjectRef[Any]] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()

    def lacking(self, machine: str) -> str:
        """What a person reads if this process lacks what other packages bring; empty if it has all of it."""
        return "; ".join(filter(None, (plugin.lacking(machine) for plugin in self.plugins)))

    def provide_for(self, config: TrialConfig) -> None:
        """Provide this process with the data and the encoder of `config`. Called on a worker, before it trains.

        Raises OSError if the machine's disk does not take the encoder.
        """
        if config.dataset in self.datasets and _first_time(config.dataset):
            provide(config.dataset, ray.get(self.datasets[config.dataset]))
        key = (config.encoder, config.encoder_revision)
        if key in self.encoders and _first_time(key):
            provide_encoder(*key, self._folder(self.encoders[key]))
        recipe = (config.recipe.model_dump_json(), config.dataset)
        if recipe in self.carried and _first_time(recipe):
            RECIPES[config.recipe.name].receive(config, ray.get(self.carried[recipe]))

    def _folder(self, files: EncoderFiles) -> Path:
        if ray.get_runtime_context().get_node_id() == self.home:
            return Path(files.folder)
        return _unpacked(files)


def pack(configs: Sequence[TrialConfig], *, everywhere: bool) -> TrialInputs:
    """Put into the object store what trials of these configurations need. everywhere: whether they may run on other
    machines than this one, and so need encoders too.

    Raises TrainableError for data or an encoder that cannot be had.
    """
    datasets = {config.dataset: ray.put(load(config.dataset)) for config in configs}
    carried: dict[tuple[str, DatasetConfig], ObjectRef[Any]] = {
        (config.recipe.model_dump_json(), config.dataset): ray.put(carry)
        for config in configs
        if (carry := RECIPES[config.recipe.name].carry(config, load(config.dataset))) is not None
    }
    named = {(config.encoder, config.encoder_revision) for config in configs if config.encoder not in ("", *PACKAGED)}
    encoders = (
        {key: _put([*encoder_files(*key), *module_files(*key)]) for key in sorted(named, key=str)} if everywhere else {}
    )
    plugins = dict.fromkeys(each for config in configs for each in plugins_of(*_names(config)))
    return TrialInputs(ray.get_runtime_context().get_node_id(), datasets, encoders, carried, tuple(plugins))


def _names(config: TrialConfig) -> tuple[str, str | None]:
    return config.recipe.name, None if config.loss is None else config.loss.name


def kept_encoders() -> Path:
    """Where a machine keeps the encoders that it has received."""
    return shared_folder("encoders")


_SEEN: set[object] = set()


def _first_time(key: object) -> bool:
    known = key in _SEEN
    _SEEN.add(key)
    return not known


def _put(files: Sequence[Path]) -> EncoderFiles:
    """Files of an encoder, the first of which lies at the top of its folder."""
    digest = hashlib.sha256()
    pieces: dict[str, list[ObjectRef[bytes]]] = {}
    folder = files[0].parent
    for path in files:
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        pieces[name] = []
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                pieces[name].append(ray.put(piece))
    return EncoderFiles(digest.hexdigest()[:32], str(folder), pieces)


def _unpacked(files: EncoderFiles) -> Path:
    """The folder of the files on this machine: written by the first worker that needs it, while the others wait."""
    folder = kept_encoders() / files.digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            scratch = folder.with_suffix(".new")
            shutil.rmtree(scratch, ignore_errors=True)  # of a worker that died
            scratch.mkdir()
            for name, pieces in files.files.items():
                (scratch / name).parent.mkdir(exist_ok=True)
                with (scratch / name).open("wb") as file:
                    for piece in pieces:
                        file.write(ray.get(piece))
            scratch.rename(folder)
    return folder
