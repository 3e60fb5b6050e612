"""The files of cluster/: valid for Ray, closed to strangers, without secrets, and honest in what they say."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from sweep.cli.parser import command_parser
from tests.multinode.files import CLUSTER, LAUNCHED, parse_ray, prepared, ray_start, read, run_commands

ROOT = CLUSTER.parent
README = (CLUSTER / "README.md").read_text(encoding="utf-8")
RULER = re.compile(r"^ *# -{20,} below", flags=re.MULTILINE)
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)

_OWN = ".few-shot-sweep/"  # in the homes of onprem.yaml's machines, which have files of their users
_PLACES = {"gpu.yaml": (".pgpass", "venv"), "gcp.yaml": (".pgpass", "venv")}

launched = pytest.mark.parametrize("name", LAUNCHED)


def places(name: str) -> tuple[str, str]:
    """The file of database passwords and the virtual environment, in the home of a machine."""
    return _PLACES.get(name, (f"{_OWN}pgpass", f"{_OWN}venv"))


@launched
def test_ray_accepts_the_file(name: str) -> None:
    config = prepared(read(name))
    assert config["cluster_name"] == "few-shot-sweep"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"max_worker": 4}, "max_worker"),
        ({"head_node_type": "heads"}, "head_node_type"),
        ({"idle_timeout_minutes": "five"}, "is not of type 'number'"),
    ],
)
def test_ray_refuses_a_wrong_file(change: dict[str, Any], complaint: str) -> None:
    """So that its acceptance of ours says something."""
    with pytest.raises((jsonschema.ValidationError, ValueError), match=complaint):
        prepared({**read("gpu.yaml"), **change})


@launched
def test_no_command_is_left_to_rays_defaults(name: str) -> None:
    """They install another version of Ray, and open the dashboard to the world."""
    assert set(COMMANDS) <= set(read(name))


@launched
@pytest.mark.parametrize("key", COMMANDS)
def test_commands_are_shell(name: str, key: str) -> None:
    for command in read(name)[key]:
        subprocess.run(["bash", "-n"], input=command, text=True, check=True)


@launched
def test_the_head_listens_on_its_loopback_and_asks_for_the_token(name: str) -> None:
    start = ray_start(read(name), "head")
    assert start.environment["RAY_AUTH_MODE"] == "token"
    assert start.options["dashboard_host"] == "127.0.0.1"
    assert (start.options["port"], start.options["dashboard_port"], start.options["object_manager_port"]) == (
        6379,
        8265,
        8076,
    )
    assert start.options["head"]


@launched
def test_a_worker_brings_the_token(name: str) -> None:
    start = ray_start(read(name), "worker")
    assert start.environment == {"RAY_AUTH_MODE": "token"}
    assert start.options["address"] == "$RAY_HEAD_IP:6379"
    assert not start.options["head"]


@launched
def test_the_token_is_for_its_owner_alone(name: str, tmp_path: Path) -> None:
    config = read(name)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"  # noqa: S105  # its place
    (tmp_path / ".bashrc").touch()
    (tmp_path / ".ray").mkdir()
    for secret in (token := tmp_path / ".ray" / "auth_token", pgpass := tmp_path / places(name)[0]):
        secret.parent.mkdir(exist_ok=True)
        secret.write_text("open to all, as `ray get-auth-token --generate` leaves it")
        secret.chmod(0o644)
    run_commands(config["initialization_commands"], tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (token, pgpass)} == {0o600}
    pgpass.unlink()
    run_commands(config["initialization_commands"], tmp_path)


@launched
def test_every_shell_has_the_environment(name: str, tmp_path: Path) -> None:
    """What `ray exec`, a job and MLflow's start find, also after a second `ray up`."""
    config = read(name)
    written = [
        line for key in ("setup_commands", "head_setup_commands") for line in config[key] if ".sweep-env" in line
    ]
    (tmp_path / ".bashrc").touch()
    shown = run_commands([*written, *written], tmp_path, then="env")
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert found["RAY_AUTH_MODE"] == "token"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert found["PATH"].startswith(f"{tmp_path}/{places(name)[1]}/bin:")
    setup = "\n".join(config["setup_commands"])
    assert f"--python 3.11 ~/{places(name)[1]}" in setup
    assert f"--python ~/{places(name)[1]}/bin/python " in setup
    assert re.match(r"(s3://|gs://|/)\w", found["SWEEP_STORE"])
    assert "MLFLOW_BACKEND_STORE_URI" not in found
    assert (tmp_path / ".bashrc").read_text().count("sweep-environment") == 1
    assert config["head_start_ray_commands"][-1].endswith('cluster/head.py "$SWEEP_STORE"')


@launched
def test_postgres_is_one_line(name: str, tmp_path: Path) -> None:
    text = (CLUSTER / name).read_text(encoding="utf-8")
    (line,) = re.findall(r"^  # - (echo .*MLFLOW_BACKEND_STORE_URI.*)$", text, flags=re.MULTILINE)
    (tmp_path / ".bashrc").write_text(". ~/.sweep-environment\n")
    (tmp_path / ".sweep-environment").touch()
    shown = run_commands([line], tmp_path, then="echo $MLFLOW_BACKEND_STORE_URI")
    assert shown.strip() == "postgresql://sweep@db.example.com/mlflow"


@launched
def test_only_the_head_keeps_the_passwords_of_a_database(name: str, tmp_path: Path) -> None:
    text = (CLUSTER / name).read_text(encoding="utf-8")
    place = places(name)[0]
    assert re.findall(r'^  # "~/(\S*pgpass)": "~/\.pgpass"', text, flags=re.MULTILINE) == [place]
    (tmp_path / ".bashrc").touch()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
    run_commands([line for line in read(name)["worker_setup_commands"] if "pgpass" in line], tmp_path)
    assert not (tmp_path / place).exists()


def test_own_machines_keep_what_their_user_has(tmp_path: Path) -> None:
    """Their homes are not new: a `.pgpass` or a `venv` there is the user's, whether Postgres is asked for or not."""
    config, text = read("onprem.yaml"), (CLUSTER / "onprem.yaml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^  # - (echo .*PGPASSFILE.*)$", text, flags=re.MULTILINE)
    (tmp_path / ".bashrc").touch()
    (tmp_path / ".ray").mkdir()
    kept = [tmp_path / ".pgpass", tmp_path / "venv"]
    for path in (*kept, tmp_path / ".ray" / "auth_token"):
        path.write_text("of the user")
    ready = [*config["initialization_commands"], *config["worker_setup_commands"]]
    run_commands([each for each in ready if "nvidia-smi" not in each], tmp_path)
    assert [path.read_text() for path in kept] == ["of the user"] * 2
    for commands in (config[key] for key in COMMANDS):
        assert not [each for each in commands if re.search(r"(~|\$HOME)/(\.pgpass|venv)\b", each)]
    written = [each for each in config["setup_commands"] if ".sweep-env" in each]
    shown = run_commands([*written, line], tmp_path, then="echo $PGPASSFILE")
    assert shown.strip() == str(tmp_path / places("onprem.yaml")[0])


@launched
def test_trials_have_no_place_on_the_head(name: str) -> None:
    config = read(name)
    if "available_node_types" in config:
        assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}
        assert prepared(config)["available_node_types"][config["head_node_type"]]["max_workers"] == 0
    else:
        assert ray_start(config, "head").options["num_cpus"] == ray_start(config, "head").options["num_gpus"] == 0


@pytest.mark.parametrize("name", ["gpu.yaml", "gcp.yaml"])
def test_the_autoscaler_survives_partial_capacity_and_gives_machines_back(name: str) -> None:
    config = prepared(read(name))
    head = ray_start(config, "head").environment
    assert head["AUTOSCALER_MAX_LAUNCH_BATCH"] == "1"
    assert int(head["RAY_AUTOSCALER_RECONCILE_REQUEST_STATUS_TIMEOUT_S"]) <= 120
    assert config["idle_timeout_minutes"] <= 10
    gpu = config["available_node_types"]["gpu"]
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, config["max_workers"])
    assert gpu["resources"]["GPU"] == 1
    assert gpu["resources"]["CPU"] > 0


def test_own_machines_all_join_under_the_older_autoscaler() -> None:
    config = read("onprem.yaml")
    assert ray_start(config, "head").environment["RAY_enable_autoscaler_v2"] == "0"
    (machines,) = prepared(config)["available_node_types"].values()
    assert machines["min_workers"] == machines["max_workers"] == len(config["provider"]["worker_ips"])


@pytest.mark.parametrize("name", [*LAUNCHED, "kuberay.yaml"])
def test_what_must_be_looked_at_stands_at_the_top_with_a_comment(name: str) -> None:
    text = (CLUSTER / name).read_text(encoding="utf-8")
    (ruler,) = RULER.finditer(text)
    top = text[: ruler.start()].splitlines()
    values = {
        "gpu.yaml": (
            "max_workers:",
            "region:",
            "GroupName:",
            "SWEEP_STORE",
            "BACKEND_STORE_URI",
            "ImageId: &",
            "MarketOp",
        ),
        "gcp.yaml": ("max_workers:", "project_id:", "availability_zone:", "SWEEP_STORE", "BACKEND_STORE_URI", "sched"),
        "onprem.yaml": ("head_ip:", "worker_ips:", "ssh_user:", "ssh_private_key:", "SWEEP_STORE", "BACKEND_STORE_URI"),
        "kuberay.yaml": ("entrypoint:", "maxReplicas:", "nodeSelector:", "tolerations:", "image:", "ttlSeconds"),
    }[name]
    for value in values:
        (number,) = [at for at, line in enumerate(top) if value in line and not line.startswith("#")]
        commented = (
            " # " in top[number] or top[number].lstrip().startswith("# -") or top[number - 1].lstrip()[:1] == "#"
        )
        assert commented, f"{name}: nothing explains {value}"
    assert len(text.splitlines()) <= 100


def test_no_file_holds_a_secret() -> None:
    secret = re.compile(
        r"AKIA[0-9A-Z]{12}|BEGIN [A-Z ]*PRIVATE|://[^\s/:@]+:[^\s/@]+@|aws_secret|RAY_AUTH_TOKEN=|PGPASSWORD=|eyJ[\w-]{20}"
    )
    assert secret.search("postgresql://sweep:hunter2@db/mlflow")
    files = [path for path in CLUSTER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) >= 7
    for path in files:
        assert not secret.search(path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("name", [*LAUNCHED, "kuberay.yaml", "head.py"])
def test_nothing_listens_for_the_world(name: str) -> None:
    assert "0.0.0.0" not in (CLUSTER / name).read_text(encoding="utf-8")  # noqa: S104


@launched
def test_all_machines_install_the_locked_versions(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (install,) = [line for line in read(name)["setup_commands"] if "uv pip install" in line]
    words = shlex.split(install)
    assert words[words.index("--constraint") + 1] == "~/few-shot-sweep/constraints.txt"
    (extras,) = re.findall(r"few-shot-sweep\[([\w,]+)\]", install)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (python,) = re.findall(r"--python (\d+\.\d+)", "\n".join(read(name)["setup_commands"]))
    assert f">={python}" in project["requires-python"]


def test_the_readme_installs_what_there_is() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = re.findall(r"pip install[^\n`]*\[([\w,]+)\]", README)
    assert len(named) >= 4
    for each in named:
        assert set(each.split(",")) <= set(extras), each


def _readme_commands(program: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [re.sub(r"\s{2,}#.*$", "", line) for block in blocks for line in block.splitlines()]
    commands = [part.split(" > ")[0].strip() for line in lines for part in line.split(" && ")]
    return [command for command in commands if command.startswith(f"{program} ")]


@pytest.mark.parametrize("command", _readme_commands("ray"))
def test_every_command_of_ray_in_the_readme_is_one(command: str) -> None:
    parse_ray(shlex.split(command)[1:])


def test_every_command_of_ours_in_the_readme_is_one() -> None:
    found = re.findall(r"python -m sweep ([^'\n`]+)", README)
    assert len(found) >= 3
    for command in found:
        if " " in command:
            command_parser().parse_args(shlex.split(command, comments=True))


def test_links_of_the_readme_lead_somewhere() -> None:
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (CLUSTER / path).exists(), path
