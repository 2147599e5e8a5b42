"""Jobs start when their memory is there, in the order in which they came."""

import threading
import time

import pytest

from zk.benchmark.admission import AdmissionError, MemoryGate
from zk.errors import OptionError

GIB = 2**30


def gate(limit: int = 10 * GIB, free: int = 100 * GIB, patience: float = 5.0) -> MemoryGate:
    return MemoryGate(limit, free=lambda: free, patience_seconds=patience, poll_seconds=0.01)


def test_reservations_never_pass_the_limit() -> None:
    doors, held, most, lock = gate(), 0, 0, threading.Lock()
    needs = [3, 8, 2, 5, 5, 1, 9, 4]

    def job(need: int) -> None:
        nonlocal held, most
        with doors.hold(need * GIB):
            with lock:
                held += need
                most = max(most, held)
            time.sleep(0.01)
            with lock:
                held -= need

    threads = [threading.Thread(target=job, args=(need,)) for need in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert held == 0
    assert 9 <= most <= 10  # the greatest job alone, and never more than the limit


def test_a_large_job_is_not_overtaken() -> None:
    doors, order, lock = gate(), list[str](), threading.Lock()
    release = threading.Event()

    def job(name: str, need: int, wait: threading.Event | None = None) -> None:
        with doors.hold(need * GIB):
            with lock:
                order.append(name)
            if wait is not None:
                wait.wait(10)

    first = threading.Thread(target=job, args=("first", 6, release))
    first.start()
    while not order:
        time.sleep(0.005)
    large = threading.Thread(target=job, args=("large", 8))
    large.start()
    time.sleep(0.05)
    small = threading.Thread(target=job, args=("small", 1))
    small.start()
    time.sleep(0.1)
    assert order == ["first"]  # the small one would fit, and waits behind the large one
    release.set()
    for thread in (first, large, small):
        thread.join(10)
    assert order == ["first", "large", "small"]


def test_what_can_never_fit_is_refused() -> None:
    with pytest.raises(AdmissionError, match=r"at most 10\.0 GiB"), gate().hold(11 * GIB):
        pass


def test_memory_that_others_hold_is_waited_for_and_then_named() -> None:
    with pytest.raises(AdmissionError, match="other programs"), gate(free=2 * GIB, patience=0.05).hold(4 * GIB):
        pass


def test_it_waits_until_others_give_memory_back() -> None:
    free = [1 * GIB]
    doors = MemoryGate(10 * GIB, free=lambda: free[0], patience_seconds=10, poll_seconds=0.01)
    threading.Timer(0.05, lambda: free.__setitem__(0, 20 * GIB)).start()
    with doors.hold(4 * GIB):
        assert free[0] == 20 * GIB


def test_a_job_that_breaks_gives_its_memory_back() -> None:
    doors = gate()
    with pytest.raises(ZeroDivisionError), doors.hold(10 * GIB):
        raise ZeroDivisionError
    with doors.hold(10 * GIB):
        pass


def test_a_limit_must_be_positive() -> None:
    with pytest.raises(OptionError, match="positive"):
        MemoryGate(0)
