"""Folders of test runs: those of killed runs are removed, those of living ones stay."""

import subprocess
import sys
from pathlib import Path

from run_folders import folder_of_this_run, remove_of_ended_runs

PROGRAM = """
import sys, time
from pathlib import Path
from run_folders import folder_of_this_run
with folder_of_this_run(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(3600)
"""


def test_only_the_folder_of_a_killed_run_is_removed(tmp_path):
    here = Path(__file__).parent / "peers"
    other = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], cwd=here, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        (theirs / "base").mkdir()
        with folder_of_this_run(tmp_path) as mine:
            remove_of_ended_runs(tmp_path)
            assert mine.is_dir()
            assert theirs.is_dir()
            other.kill()
            other.wait()
            remove_of_ended_runs(tmp_path)
            assert mine.is_dir()
            assert not theirs.exists()
        assert not mine.exists()
    finally:
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()
