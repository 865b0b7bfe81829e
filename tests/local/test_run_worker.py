"""A worker ends with the platform that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil


def test_a_worker_follows_its_supervisor_into_the_end(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    created = psutil.Process(supervisor.pid).create_time()
    code = (
        # Where the tests run in the background, both signals are ignored and children inherit that.
        "import os, signal, time, threading\n"
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "from broker_assets.local.run_worker import follow, supervisor_of\n"
        "who = supervisor_of(dict(os.environ))\n"
        "threading.Thread(target=follow, args=(who,), kwargs={'poll_seconds': 0.1}, daemon=True).start()\n"
        "print('following', flush=True)\n"
        "time.sleep(600)"
    )
    environment = os.environ | {"BROKER_SUPERVISOR": f"{supervisor.pid}:{created!r}"}
    worker = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "following\n"
    supervisor.kill()
    supervisor.wait()
    assert worker.wait(60) == -signal.SIGTERM
    worker.stdout.close()
