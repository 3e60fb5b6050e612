"""Files of the user that Python would import in the place of a library, or of this project.

`python -m sweep` puts the working folder before everything else, and PYTHONPATH comes before the libraries too: a
`datasets.py` there is imported by all that ask for the library. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path

__all__ = ["hidden_modules"]

_OURS = ("sweep", "trainable")
_LIBRARIES = ("site-packages", "dist-packages")  # how Python names the folders into which libraries are installed


def hidden_modules(search_path: Sequence[str] | None = None) -> str:
    """What a person reads if files hide modules of this project, of its libraries or of Python; empty if none does.

    search_path: where modules are searched, in this order; by default where this process searches them.
    """
    path = sys.path if search_path is None else search_path
    hidden = sorted({f"{file} hides {module}" for file, module in _hidden(path)})
    if not hidden:
        return ""
    files = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in "; ".join(hidden))
    return (
        f"Python must import this project and its libraries, and would import other files in their place: {files}; "
        "rename what is yours, take its folder off PYTHONPATH, or start with `few-shot-sweep` instead of "
        "`python -m sweep`: it does not look into the working folder"
    )


def _hidden(path: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Each file that comes before a library of the same name, and what it hides."""
    libraries = [entry for entry in path if Path(entry).name in _LIBRARIES]
    own = Path(__file__).resolve().parents[1]
    for entry in path:
        if entry in libraries:
            return
        for file, name in _modules(entry):
            if name in _OURS and file.parent != own:
                yield file, f"the module {name} of this project"
            elif name in sys.stdlib_module_names:
                yield file, f"Python's own module {name}"
            elif name not in _OURS and _is_library(name, libraries):
                yield file, f"the library {name}"


def _is_pythons(folder: Path) -> bool:
    """Whether a folder belongs to Python, or to an installed library, which knows what it does."""
    places = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "scripts")]
    return any(folder.is_relative_to(place) for place in places) or any(part in _LIBRARIES for part in folder.parts)


def _modules(entry: str) -> Iterator[tuple[Path, str]]:
    """The modules of a folder, by name. A folder without `__init__.py` hides nothing that is installed."""
    with suppress(OSError):  # of a folder that is not there, or that nobody may read, Python imports nothing
        folder = Path(entry or ".").resolve()
        for file in [] if _is_pythons(folder) else sorted(folder.iterdir()):
            if (file / "__init__.py").is_file():
                yield file, file.name
            elif suffix := next((each for each in all_suffixes() if file.name.endswith(each)), ""):
                yield file, file.name.removesuffix(suffix)


def _is_library(name: str, libraries: Sequence[str]) -> bool:
    found = PathFinder.find_spec(name, libraries)
    return found is not None and found.origin is not None
