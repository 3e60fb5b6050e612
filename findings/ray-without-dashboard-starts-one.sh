#!/usr/bin/env bash
# ray.init(include_dashboard=False) starts the server of the dashboard all the same, and does not return before that
# server has announced its address.
#
# Versions: ray 2.60.0, Python 3.11, with RAY_USAGE_STATS_ENABLED=0 as well, and without the dashboard's libraries
# (no ray[default]).
#
# The input: ray.init(address="local", num_cpus=1, include_dashboard=False), once as it is, and once with the function
# that starts the server delayed by three seconds on its way back.
#
# What a good guess expects: no process, nothing to wait for. The manual says of the flag that it is about whether the
# dashboard is started.
#
# What is seen: a child process of dashboard/dashboard.py with --modules-to-load=UsageStatsHead --disable-frontend, some
# 80 MB of resident memory and half a second of processor time (117 MB and 0.9 s beside ray[default]'s libraries), for a
# report of how Ray is used that is switched off; and ray.init is back three seconds later with the delay. Tasks run
# without that process: where it is not started, a task gives the same answer.
#
# Why it matters: whoever starts Ray often, as tests do, one Ray for each sweep, or on a machine of two cores where the
# start competes with one's own imports, pays for it every time, and looks for the cause elsewhere, since the dashboard
# is off.
#
# Where: ray/_private/node.py, start_head_processes, calls start_api_server whatever the flag is; ray/_private/
# services.py, start_api_server, turns the flag into --modules-to-load and polls the GCS for the server's address.
# A cure: none by an argument or a variable of the environment that was found; replacing start_api_server of
# ray._private.services while ray.init runs, for a Ray whose version is pinned.
#
# Exit 0: still so. Otherwise: a message and a non-zero status.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check ray==2.60.0 psutil

cat > "$work/seen.py" <<'PY'
import sys
import time

import psutil
import ray
from ray._private import services

start_server = services.start_api_server


def begun():
    began = time.monotonic()
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    return time.monotonic() - began


def servers():
    children = psutil.Process().children(recursive=True)
    return [each for each in children if any(word.endswith("dashboard/dashboard.py") for word in each.cmdline())]


def answer():
    @ray.remote
    def double(number):
        return 2 * number

    return ray.get(double.remote(21))


plain = begun()
(server,) = servers()
words = " ".join(server.cmdline())
memory, seconds = server.memory_info().rss / 2**20, sum(server.cpu_times()[:2])
print(f"as it is: ray.init took {plain:.1f} s; its server has {memory:.0f} MB and took {seconds:.1f} s of a processor")
if "--modules-to-load=UsageStatsHead" not in words or "--disable-frontend" not in words or answer() != 42:
    sys.exit(f"the server is another one: {words}")
if memory < 40 or seconds < 0.3:
    sys.exit("the server costs little now")
ray.shutdown()


def late(*arguments, **named):
    found = start_server(*arguments, **named)
    time.sleep(3)
    return found


services.start_api_server = late
delayed = begun()
print(f"with a server that is back three seconds later: {delayed:.1f} s")
if delayed < plain + 2:
    sys.exit("ray.init does not wait for the server any more")
ray.shutdown()

services.start_api_server = lambda *_, **__: ("", None)
without = begun()
print(f"without: {without:.1f} s, {len(servers())} servers, a task answers {answer()}")
if servers() or answer() != 42:
    sys.exit("a Ray without the server is another one now")
ray.shutdown()
PY

RAY_USAGE_STATS_ENABLED=0 "$work/venv/bin/python" "$work/seen.py"
