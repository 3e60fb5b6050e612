"""One real sweep of hostile data, with a hostile encoder, among planted pickles, and with secrets in its environment:
nothing of it is run, shown as markup or told to anybody."""

from __future__ import annotations

import csv
import html
import io
import os
import pickle  # what others might leave in a folder
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import yaml

from sweep.errors import TrackingError
from sweep.tracking import fetch_results
from sweep.tracking.runs import run_of
from sweep.tracking.store import open_client
from tests.integration.test_sweep import User
from tests.sweeps.memory_ledger import MemoryLedger
from trainable.outcomes import Outcome

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
MARKS = (
    "`code` \"quoted\" 'too' $x^2$ \\input{x} \\write18{id} %&#_{}~ | a | [a](javascript:alert(1)) {{ 7*7 }} {% x %}"
)
CLASSES = (f"{SCRIPT} {MARKS}", f'=HYPERLINK("http://x","{IMAGE}")')
ENCODER = "e[/red] :x:" + IMAGE + "`$\\write18{id}$|%&#_{}~^ [a](javascript:x) {{7*7}}"
EXPERIMENT = "toys'\"; DROP TABLE runs; -- <b>"
SECRETS = {
    name: f"s3cret-{name.lower()}-5f2c"
    for name in ("PGPASSWORD", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")
}


class Payload:
    """Unpickled, it leaves a file."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.sentinel), "w")


@dataclass(frozen=True)
class Swept:
    """What a sweep left. output: on its terminal. processes: the command lines that were seen while it ran."""

    folder: Path
    output: str
    processes: frozenset[str]

    @property
    def sentinel(self) -> Path:
        return self.folder.parent / "executed"

    @property
    def report(self) -> Path:
        return self.folder / "sweeps" / "toy" / "report"

    def files(self) -> Iterator[tuple[Path, bytes]]:
        yield from ((path, path.read_bytes()) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Swept:
    parent = tmp_path_factory.mktemp("hostile")
    user = User(parent / "folder")
    user.folder.mkdir()
    write_data(user.folder / "data.csv")
    shutil.copytree(tiny_bert, user.folder / ENCODER)
    plant(user.folder, parent / "executed")
    spec = {
        "name": "toy",
        "description": f"{SCRIPT} {IMAGE} {MARKS}",
        "datasets": {"films": {"path": "data.csv"}},
        "compare": {
            "dataset": ["films"],
            "shots": [4],
            "loss": ["cross_entropy", "soft_triple"],
            "encoder": [f"./{ENCODER}"],
        },
        "search": {"encoder_lr": [1e-3, 2e-3]},
        "trial": {"max_length": 16},
        "protocol": {"replicates": 1, "evaluations": 1, "steps": 4, "validation": 20},
        "budget": {"trials_per_cell": 2, "concurrency": 1},
        "pruning": {"rule": "none"},
        "confirm": {"draws": 3, "reseeded": 1},
        "tracking": {"experiment": EXPERIMENT},
    }
    (user.folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment, watched() as seen:
        for name, value in SECRETS.items():
            environment.setenv(name, value)
        output = user.run()
    return Swept(user.folder, output, frozenset(seen))


def write_data(path: Path) -> None:
    """Texts that every format reads as something else, in classes with such names."""
    words = ("good", "great", "fine", "bad", "awful", "poor")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(96):
            text = f"{words[number % 6]} {words[number // 6 % 6]} {number} {SCRIPT} {MARKS} =1+1"
            writer.writerow([text, CLASSES[number % 6 < 3]])


def plant(folder: Path, sentinel: Path) -> None:
    """Pickles wherever some library may look for what an earlier run has left, and code that imports might find."""
    payload = pickle.dumps(Payload(sentinel))
    encoder, sweep = folder / ENCODER, folder / "sweeps" / "toy"
    places = [encoder / "pytorch_model.bin", encoder / "model.pt", encoder / ".metadata"]
    for name in (
        "tuner.pkl",
        "trainable.pkl",
        "searcher-state-x.pkl",
        "search_gen_state-x.json",
        "ledger.journal.snapshot",
    ):
        places += [sweep / name, sweep / "ray" / name, sweep / "ray" / "sweep" / name]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(payload)
    (encoder / "modeling.py").write_text(f"open({str(sentinel)!r}, 'w')")


class watched:  # noqa: N801  # used as a function
    """The command lines of all processes of this machine, collected while the context lasts."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> set[str]:
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            for process in psutil.process_iter(["cmdline"]):
                self._seen.add(" ".join(process.info["cmdline"] or ()))


# ---- nothing is run, nothing is told ---------------------------------------------------------------------------------


def test_it_ends_like_any_other_sweep(swept: Swept) -> None:
    assert "Traceback" not in swept.output
    assert "films, 4 labels per class" in swept.output
    client = open_client(f"sqlite:///{swept.folder}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 + 4 + 2
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_no_pickle_is_opened(swept: Swept, tmp_path: Path) -> None:
    assert not swept.sentinel.exists()
    planted = (swept.folder / ENCODER / "pytorch_model.bin").read_bytes()
    pickle.loads(planted).close()  # noqa: S301  # it would have left the file
    assert swept.sentinel.exists()
    swept.sentinel.unlink()


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_told(swept: Swept, name: str) -> None:
    secret = SECRETS[name]
    assert secret not in swept.output
    assert not [path for path, content in swept.files() if secret.encode() in content]
    assert not [command for command in swept.processes if secret in command]


def test_the_search_for_secrets_looks_at_what_there_is(swept: Swept) -> None:
    assert any("raylet" in command for command in swept.processes)
    assert any("-m sweep run" in command for command in swept.processes)
    names = {path.relative_to(swept.folder).as_posix() for path, _ in swept.files()}
    assert {"mlflow.db", "sweeps/toy/ledger.journal", "sweeps/toy/spec.yaml", "sweeps/toy/sweep.log"} <= names
    assert any(name.endswith("artifacts/report/report.html") for name in names)


@pytest.mark.parametrize(
    "name", ["x' OR '1'='1", "' OR 1=1 --", "x\\", "toy'", "%", 'toy" OR ""="', "`", "\0", "toy\n"]
)
def test_a_name_is_no_part_of_a_query(swept: Swept, name: str) -> None:
    uri = f"sqlite:///{swept.folder}/mlflow.db"
    assert fetch_results("toy", uri).sweep.name == "toy"
    with pytest.raises(TrackingError):
        fetch_results(name, uri)


# ---- nothing becomes markup ------------------------------------------------------------------------------------------

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "div", "span"),
    *(
        "h1",
        "h2",
        "h3",
        "p",
        "a",
        "b",
        "bdi",
        "br",
        "wbr",
        "dd",
        "dl",
        "dt",
        "code",
        "pre",
        "ul",
        "li",
        "details",
        "summary",
        "figure",
        "figcaption",
    ),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "g", "path", "defs", "clippath", "rect", "use", "image"),
}


class Page(HTMLParser):
    """Collects the elements of a page, and the text that a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(swept: Swept) -> list[Page]:
    found = []
    for path in swept.folder.rglob("*.html"):
        page = Page()
        page.feed(path.read_text(encoding="utf-8"))
        found.append(page)
    return found


def test_the_page_shows_what_is_hostile_as_text(swept: Swept) -> None:
    assert len(pages(swept)) == 2  # the second one in MLflow
    for page in pages(swept):
        assert {tag for tag, _ in page.elements} <= TAGS
        for tag, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcdoc", "action")]
            link = attributes.get("href", "") + attributes.get("xlink:href", "")
            assert link.startswith(("#", "data:image/png;base64,") if tag == "image" else "#") or not link
            assert not re.search(r"url\((?!#)|expression|@import", attributes.get("style", ""))
        assert IMAGE in page.text
        assert SCRIPT in page.text
        assert "{{7*7}}" in page.text


def test_the_markdown_has_no_markup_of_names(swept: Swept) -> None:
    text = (swept.report / "table.md").read_text(encoding="utf-8")
    assert html.escape(IMAGE) in text
    assert not re.search(r"<\w|(?<!\\)`|(?<!\\)\]\(|(?<!\\)\[", text)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {3}


def test_the_latex_has_no_command_of_a_name(swept: Swept) -> None:
    text = (swept.report / "table.tex").read_text(encoding="utf-8")
    assert "\\textbackslash{}write18\\{id\\}" in text
    known = {
        *("usepackage", "begin", "end", "centering", "toprule", "midrule", "bottomrule", "multicolumn", "caption"),
        *("textbf", "ddagger", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater"),
    }
    assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= known
    plain = re.sub(r"\\[&%$#_{}\\]", "", text)
    assert plain.count("{") == plain.count("}")
    assert "%" not in plain.partition("\n")[2]
    assert plain.count("$") % 2 == 0


def test_no_cell_of_a_csv_file_is_a_formula(swept: Swept) -> None:
    texts = [
        content.decode() for path, content in swept.files() if path.suffix == ".csv" and swept.report in path.parents
    ]
    cells = {cell for text in texts for row in csv.reader(io.StringIO(text, newline="")) for cell in row}
    assert f"'{CLASSES[1]}" in cells
    number = re.compile(r"-?[\d.]+(e-?\d+)?")
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@")) and not number.fullmatch(cell)]


def test_mlflow_keeps_only_files_that_are_shown_as_what_they_are(swept: Swept) -> None:
    artifacts = [path for path, _ in swept.files() if "artifacts" in path.parts]
    assert {path.suffix for path in artifacts} == {".yaml", ".html", ".md", ".tex", ".csv", ".json", ".png"}
    assert {path.name for path in artifacts if path.suffix == ".html"} == {"report.html"}
    (spec,) = (path for path in artifacts if path.suffix == ".yaml")
    assert yaml.safe_load(spec.read_text(encoding="utf-8"))["description"].startswith(SCRIPT)


def test_a_failure_is_kept_as_plain_text() -> None:
    ledger = MemoryLedger()
    record = ledger.trial(ledger.ask())
    failed = replace(record, outcome=Outcome.FAILED, reason=SCRIPT, detail=f"{SCRIPT}\n{MARKS}")
    assert dict(run_of(failed, ledger.sweep(), "parent").texts) == {"failure.txt": f"{SCRIPT}\n{MARKS}"}


def test_the_environment_is_left_as_it_was() -> None:
    assert not set(SECRETS.values()) & set(os.environ.values())
