import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from search.claims import CLAIM_NAME, locked, try_claim

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from search.claims import try_claim
claim = try_claim(Path(sys.argv[1]))
print("held" if claim else "taken", flush=True)
time.sleep(60)
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


def test_a_claim_excludes_everybody_until_it_is_released(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "candidate"
    claim = try_claim(folder)
    assert claim is not None
    assert claim.folder == folder
    assert try_claim(folder) is None
    other = try_claim(tmp_path / "studies" / "another")
    assert other is not None
    other.release()
    claim.release()
    claim.release()
    with try_claim(folder) or pytest.fail("free again") as claim:
        assert try_claim(folder) is None
    with pytest.raises(KeyError), try_claim(folder) or pytest.fail("free again"):
        raise KeyError
    again = try_claim(folder)
    assert again is not None
    again.release()
    assert [path.name for path in folder.iterdir()] == [CLAIM_NAME]


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    with holder(tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert try_claim(tmp_path) is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        claim = try_claim(tmp_path)
        assert claim is not None
    with claim, holder(tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "taken\n"
        child.kill()


def test_a_folder_made_anew_can_be_claimed_and_is_exclusive(tmp_path: Path) -> None:
    folder = tmp_path / "candidate"
    old = try_claim(folder)
    shutil.rmtree(folder)
    new = try_claim(folder)
    assert old is not None
    assert new is not None
    old.release()
    assert try_claim(folder) is None
    new.release()


def test_a_lock_waits_for_its_holder(tmp_path: Path) -> None:
    path, order = tmp_path / "x" / "db.opening", list[str]()

    def wait() -> None:
        with locked(path):
            order.append("second")

    with locked(path):
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
