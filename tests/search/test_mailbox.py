"""Progress is delivered in order, and given up rather than waited for."""

import pickle
import threading
import time

import pytest

from search.mailbox import Courier, Mailbox


def test_a_mailbox_gives_what_it_got_once() -> None:
    box = Mailbox()
    assert box.take() == []
    for sender, message in ((1, b"a"), (2, b"b"), (1, b"c")):
        box.put(sender, message)
    assert box.take() == [(1, b"a"), (2, b"b"), (1, b"c")]
    assert box.take() == []


def test_a_full_mailbox_loses_its_oldest() -> None:
    box = Mailbox(most=2)
    for number in range(5):
        box.put(0, bytes([number]))
    assert box.take() == [(0, b"\x03"), (0, b"\x04")]


def test_leaving_a_courier_waits_for_what_is_on_its_way() -> None:
    delivered: list[int] = []

    def deliver(message: bytes) -> None:
        time.sleep(0.005)
        delivered.append(pickle.loads(message))

    with Courier(deliver) as courier:
        for number in range(20):
            courier.send(number)
    assert delivered == list(range(20))


def test_a_courier_that_is_held_up_drops_messages_and_holds_nobody_up() -> None:
    held, delivered = threading.Event(), []

    def deliver(message: bytes) -> None:
        held.wait(30)
        delivered.append(pickle.loads(message))

    started = time.monotonic()
    with Courier(deliver, most=3, last_seconds=0.1) as courier:
        for number in range(1000):
            courier.send(number)
    assert time.monotonic() - started < 5
    assert delivered == []
    held.set()
    courier._thread.join(10)
    assert not courier._thread.is_alive()
    assert 3 <= len(delivered) <= 4
    assert delivered == sorted(delivered)


def test_a_delivery_that_fails_is_forgotten() -> None:
    delivered: list[object] = []

    def deliver(message: bytes) -> None:
        if not delivered:
            delivered.append("failed")
            raise ConnectionError("away")
        delivered.append(pickle.loads(message))

    with Courier(deliver) as courier:
        courier.send(1)
        courier.send(threading.Lock())  # cannot be pickled
        courier.send(2)
    assert delivered == ["failed", 2]


def test_an_interrupt_passes_through_a_courier() -> None:
    with pytest.raises(KeyboardInterrupt), Courier(lambda message: None) as courier:
        raise KeyboardInterrupt
    courier._thread.join(10)
    assert not courier._thread.is_alive()
