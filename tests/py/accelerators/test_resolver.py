"""Django's URL resolver, accelerated or not: the same answers to whatever is asked."""

import subprocess
import sys
from pathlib import Path


def test_django_answers_alike() -> None:
    script = Path(__file__).with_name("django_alike.py")
    done = subprocess.run([sys.executable, script, "300"], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "alike" in done.stdout
