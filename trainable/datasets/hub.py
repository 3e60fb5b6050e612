"""Datasets of the Hugging Face hub, read at one commit and without ever running their code."""

from __future__ import annotations

import re
from pathlib import Path

from trainable.dataset_config import DatasetConfig
from trainable.datasets.folders import parts_of_dataset
from trainable.datasets.table import Part
from trainable.errors import DataError

__all__ = ["pin", "read_hub"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 10.0  # seconds for one answer of the hub


def pin(config: DatasetConfig) -> DatasetConfig:
    """Return `config` with the commit that its revision (default: the newest) names at this moment.

    If the hub cannot be reached, the newest commit in this machine's cache stands in for the newest revision. A
    configuration that needs no hub, or names a commit already, is returned as it is.

    Raises DataError if the hub does not answer, or does not know the dataset or the revision.
    """
    if config.hub is None or (config.revision is not None and _COMMIT.fullmatch(config.revision)):
        return config
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(config.hub, revision=config.revision, timeout=_TIMEOUT).sha
    except Exception as error:  # of several libraries below: HTTP, name service, offline mode, unknown ids
        commit = _cached_commit(config) if config.revision is None else None
        if commit is None:
            raise _unavailable(config, error) from error
    return config.model_copy(update={"revision": commit})


def read_hub(config: DatasetConfig) -> dict[str, Part]:
    """Return the splits by name of `config.hub` at `config.revision`, which must be a commit.

    Raises DataError if the dataset cannot be downloaded or read, or is cached at another commit only.
    """
    from datasets import load_dataset

    try:
        dataset = load_dataset(str(config.hub), config.hub_config, revision=config.revision)
    except Exception as error:  # of several libraries below: HTTP, file formats, unknown configurations
        raise _unavailable(config, error) from error
    for split in dataset.values():
        for file in split.cache_files:
            _check_commit(config, Path(file["filename"]).parent.name)
    return parts_of_dataset(dataset, _place(config), config)


def _check_commit(config: DatasetConfig, commit: str) -> None:
    """Raise DataError for another commit: without the hub, `datasets` silently takes the newest one in the cache."""
    if _COMMIT.fullmatch(commit) and commit != config.revision:
        raise DataError(
            f"{_place(config)}: the hub cannot be reached and the newest commit in the cache is {commit}; connect "
            f"to the hub, or set `revision: {commit}`"
        )


def _cached_commit(config: DatasetConfig) -> str | None:
    """Return the newest commit of the dataset among those prepared in the cache of this machine, or None."""
    from datasets import config as settings
    from datasets.naming import camelcase_to_snakecase

    organisation, _, name = str(config.hub).rpartition("/")
    folder = "___".join(filter(None, (organisation, camelcase_to_snakecase(name))))
    prepared = Path(settings.HF_DATASETS_CACHE).expanduser().glob(f"{folder}/{config.hub_config or '*'}/*/*")
    commits = [path for path in prepared if _COMMIT.fullmatch(path.name)]
    return max(commits, key=lambda path: path.stat().st_mtime).name if commits else None


def _unavailable(config: DatasetConfig, error: Exception) -> DataError:
    first_line = str(error).strip().split("\n")[0]
    return DataError(
        f"{_place(config)}: cannot be read from the Hugging Face hub ({type(error).__name__}: {first_line}); check "
        "the id, the configuration and the revision (datasets that are Python scripts are never run); without a "
        "network, or with HF_HUB_OFFLINE set, only datasets in the cache can be read: download the files "
        "where there is a network, and give their folder as `path`"
    )


def _place(config: DatasetConfig) -> str:
    part = "" if config.hub_config is None else f":{config.hub_config}"
    revision = "" if config.revision is None else f"@{config.revision}"
    return f"hub dataset {config.hub}{part}{revision}"
