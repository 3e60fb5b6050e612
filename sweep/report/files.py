"""The files of a report, each replaced as a whole; nothing is written or removed through a link."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.errors import FolderError
from sweep.report.chart import Chart, Images

__all__ = ["in_writable", "prepare_folder", "write_figure", "write_file"]


@contextmanager
def in_writable(folder: Path, what: str) -> Iterator[None]:
    """Raise FolderError where a folder turns out not to be writable. what: is written there, as `a report`."""
    try:
        yield
    except OSError as error:
        raise FolderError(
            f"the folder of {what} must be writable; {folder} is not ({error.strerror or error}); make room, or choose "
            "another place with --out"
        ) from error


def prepare_folder(folder: Path, names: Collection[str]) -> None:
    """Create the folder, and remove the figures of an earlier one that have none of these names, but no other files
    that a user may have there. Raises FolderError for a folder that is a link, and OSError for one that cannot be
    written."""
    figures = folder / "figures"
    for place in (folder, figures):
        if place.is_symlink():
            raise FolderError(
                f"a report is written into a folder of its own; {place} is a link to {place.readlink()}; remove the "
                "link, or name another folder with --out"
            )
    figures.mkdir(parents=True, exist_ok=True)
    for old in figures.iterdir():
        if old.suffix in (".png", ".csv", ".json") and old.stem not in names:
            old.unlink(missing_ok=True)


def write_figure(folder: Path, chart: Chart, images: Images) -> tuple[Path, ...]:
    """Write the PNG, the CSV and the JSON of a drawn figure; where they are."""
    return (
        write_file(folder / f"{chart.name}.png", images.png),
        write_file(folder / f"{chart.name}.csv", chart.csv()),
        write_file(folder / f"{chart.name}.json", chart.json()),
    )


def write_file(path: Path, content: str | bytes) -> Path:
    """Replace the file as a whole, or the link that is in its place: writing through that would change another one."""
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
    try:
        with new.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path
