"""The official libraries for Node, by Node's own test runner, through the same relay."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "node"


def test_the_libraries_for_node(relay):
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("the libraries for Node are not installed (npm was not there)")
    environment = {"PATH": os.environ["PATH"], "RELAY": relay.url, "KEY": relay.key}
    command = [shutil.which("node"), "--test", "clients.test.js"]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
