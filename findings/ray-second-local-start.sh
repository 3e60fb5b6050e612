#!/usr/bin/env bash
# The second Ray that is started on a machine takes three seconds longer, whatever it is told to leave out.
#
# Versions: ray 2.60.0 (with the extra `default`, which `ray[tune]` users install for its dashboard), Python 3.11.
#
# The input: two programs on one machine, one after the other, each with a Ray of its own:
# ray.init(address="local", include_dashboard=False, num_cpus=1). The first one stays while the second one
# starts. Two notebooks, two sweeps, or a test suite with two workers do the same.
#
# What a good guess expects: address="local" takes free ports for everything, and without a dashboard nothing
# of it runs. So both starts take the same time.
#
# What is seen: the agent of the dashboard is started all the same, on every node, and wants port 52365.
# The second one is refused it six times, with pauses that double (0.1 s to 1.6 s, three seconds in all), then
# serves nothing over HTTP. The raylet registers only when its agent has said which ports it has, so
# ray.init waits for all of that. Nothing is logged but in dashboard_agent.log of the session. `ray start` has
# --dashboard-agent-listen-port=0; ray.init has no argument for it.
#
# Why it matters: a sweep service that starts a private Ray for each sweep begins each one three seconds late as
# soon as two run; and the raylet gives its agent fifteen seconds, so that a busy machine fails to start it
# (ray-project/ray issue 65983) three seconds earlier.
#
# Where: ray/dashboard/http_server_agent.py (retries), ray/_private/parameter.py (the default),
# raylet WaitForDashboardAgentPorts. That the agent then stays without its server: issue 51925.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "ray[default]==2.60.0"

cat > "$work/seen.py" <<'PY'
import logging
import subprocess
import sys
import time
from pathlib import Path

import ray


def started() -> tuple[float, int]:
    """Seconds that ray.init takes, and how often the agent of this session was refused its port."""
    began = time.monotonic()
    ray.init(address="local", include_dashboard=False, num_cpus=1, logging_level=logging.ERROR, log_to_driver=False)
    seconds = time.monotonic() - began
    log = Path(ray._private.worker.global_worker.node.get_logs_dir_path()) / "dashboard_agent.log"
    time.sleep(1)
    return seconds, log.read_text().count("Failed to bind to port 52365")


if sys.argv[1:] == ["second"]:
    print(*started())
    raise SystemExit

ray.init(address="local", include_dashboard=False, num_cpus=1, logging_level=logging.ERROR, log_to_driver=False)
ray.shutdown()  # so that files are in the system's cache
first, refused = started()
done = subprocess.run([sys.executable, __file__, "second"], capture_output=True, text=True, check=True)
second, refused_again = (float(word) for word in done.stdout.split()[-2:])
ray.shutdown()
print(f"first Ray:  {first:4.1f} s, its agent was refused its port {refused} times")
print(f"second Ray: {second:4.1f} s, its agent was refused its port {refused_again:.0f} times")
if refused != 0 or refused_again < 5 or second - first < 2:
    raise SystemExit("no longer so: the second start is not held up by the port of the first one's agent")
PY
RAY_TMPDIR="$work/r" "$work/venv/bin/python" "$work/seen.py"
echo "still so: the second Ray on a machine waits for a port that the first one has"
