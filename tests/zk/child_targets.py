"""Functions that the tests run in child processes."""

import os
import signal
import time
from pathlib import Path


def add(*, left: int, right: int) -> int:
    print("noise on stdout")
    return left + right


def hoard(*, megabytes: int, seconds: float) -> None:
    block = bytearray(os.urandom(1 << 20)) * megabytes
    time.sleep(seconds)
    assert block


def sleep(*, seconds: float) -> None:
    time.sleep(seconds)


def sleep_with_grandchild(*, pid_file: str, seconds: float) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    Path(pid_file).write_text(str(pid))
    time.sleep(seconds)


def fail(*, text: str) -> None:
    raise RuntimeError(text)


def no_memory() -> None:
    raise MemoryError


def die(*, number: int) -> None:
    os.kill(os.getpid(), number)


def abort_as_rust_does() -> None:
    os.write(2, b"memory allocation of 123456789 bytes failed\n")
    os.kill(os.getpid(), signal.SIGABRT)


def touch(*, path: str) -> None:
    Path(path).touch()


def die_at_first(*, path: str, times: int) -> int:
    with Path(path).open("a", encoding="utf-8") as log:
        log.write("x")
    calls = Path(path).stat().st_size
    if calls <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return calls
