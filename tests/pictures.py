"""Two of the pictures of README.md, made of a real quickstart.

    python -m tests.pictures

The preset runs as a person runs it, in a terminal of its own: its live table in the middle of the sweep and its last
words become `.readme/terminal.svg`, the first screen of its report `.readme/report.png`. Five minutes on two cores with
nothing beside it, since times are in the picture. Needs the Debian package chromium.

`.readme/mlflow.png` is made by hand: which columns MLflow shows, and which runs it unfolds, is chosen in its page.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.services.process import clean_environment

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".readme"
COLUMNS = 119
_CONTROL = re.compile(r"\x1b\[(?:\?25[hl]|\d*[AK])")  # the cursor is moved, hidden or shown, or a line is cleared


def main() -> None:
    """Run the quickstart and take its pictures."""
    if shutil.which("chromium") is None:
        sys.exit("the pictures of pages need the Debian package chromium")
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        place = Path(folder)
        environment = clean_environment(place / "home", ROOT) | {
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
            "LINES": "60",
        }
        painted = _in_terminal([sys.executable, "-m", "sweep", "run"], place, environment)
        _write_terminal(*_parts(painted))
        _screenshot((place / "sweeps/quickstart/report/report.html").as_uri(), "report.png", (1120, 1290))


def _in_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command writes to a terminal, as it writes it. Raises CalledProcessError if it fails."""
    above, below = pty.openpty()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=below, stdout=below, stderr=below, start_new_session=True
    )
    os.close(below)
    painted = bytearray()
    try:
        while read := os.read(above, 1 << 16):
            painted += read
    except OSError:  # Linux: the other side has been closed
        pass
    if code := process.wait():
        raise subprocess.CalledProcessError(code, command, output=painted.decode(errors="replace"))
    return painted.decode().replace("\r\n", "\n")


def _parts(painted: str) -> tuple[str, str]:
    """The live table while the first winners are confirmed, and all that is written after the last one."""
    *tables, end = (part.strip("\r\n") for part in re.split(r"(?:\r?\x1b\[\d*[AK])+", painted))
    confirming = [table for table in tables if re.search(r" [3-9] of \d+ confirmation trainings", table)]
    return confirming[-1], end


def _write_terminal(table: str, end: str) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    written = ("\x1b[1m$ make quickstart\x1b[0m", table, "", "\x1b[2m... and at its end\x1b[0m", end)
    for part in written:
        console.print(Text.from_ansi(_CONTROL.sub("", part)))
    console.save_svg(str(PICTURES / "terminal.svg"), title="few-shot-sweep")


def _screenshot(address: str, name: str, size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        options += ["--virtual-time-budget=60000", f"--window-size={size[0]},{size[1]}"]
        command = ["chromium", *options, f"--screenshot={PICTURES / name}", address]
        subprocess.run(command, check=True, capture_output=True, timeout=300)


if __name__ == "__main__":
    main()
