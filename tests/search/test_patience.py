from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import ConfigError, StorageUnreachable
from search.patience import Patience, PatientCaller, patiently
from search.urls import safe_url


class Passing(Exception):
    """What may pass."""


class Clock:
    """A clock that only sleeping moves; keeps the pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def failing(times: int, error: Exception | None = None) -> Callable[[], str]:
    left = [times]

    def call() -> str:
        if left[0]:
            left[0] -= 1
            raise error or Passing("refused\nmore")
        return "value"

    return call


def run(call: Callable[[], str], patience: Patience, clock: Clock, said: list[str], **named: object) -> str:
    return patiently(
        call,
        what="storage postgresql://me:secret@host/db",
        patience=patience,
        is_passing=lambda error: isinstance(error, Passing),
        say=said.append,
        sleep=clock.sleep,
        clock=clock,
        **named,  # type: ignore[arg-type]
    )


def test_a_call_that_succeeds_is_made_once_and_says_nothing() -> None:
    clock, said = Clock(), list[str]()
    assert run(failing(0), Patience(), clock, said) == "value"
    assert (clock.pauses, said) == ([], [])


def test_pauses_double_up_to_the_longest_and_two_lines_are_said() -> None:
    clock, said = Clock(), list[str]()
    assert run(failing(7), Patience(120.0, 0.5, 10.0), clock, said) == "value"
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert len(said) == 2
    assert said[0] == "storage postgresql://me:***@host/db is out of reach (refused); waiting for up to 120 s"
    assert said[1].endswith("answers again after 36 s")


def test_giving_up_chains_the_last_error_and_says_how_to_go_on() -> None:
    clock, said = Clock(), list[str]()
    with pytest.raises(StorageUnreachable, match="could not be reached for 9 s .refused.*kept.*same command") as raised:
        run(failing(99), Patience(9.0, 2.0, 4.0), clock, said)
    assert isinstance(raised.value.__cause__, Passing)
    assert "secret" not in str(raised.value)
    assert clock.pauses == [2.0, 4.0, 3.0]  # the last is what was left, and one more try follows it
    assert len(said) == 1


def test_other_errors_are_raised_at_once_and_after_a_wait() -> None:
    clock = Clock()
    with pytest.raises(KeyError):
        run(failing(1, KeyError("bug")), Patience(), clock, [])
    assert clock.pauses == []
    errors = iter([Passing(), KeyError("bug")])

    def call() -> str:
        raise next(errors)

    with pytest.raises(KeyError):
        run(call, Patience(), clock, [])
    assert clock.pauses == [0.5]


def test_interrupts_are_never_waited_out() -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        patiently(interrupted, what="x", patience=Patience(), is_passing=lambda _: True, say=print)


def test_repeats_go_to_again() -> None:
    calls: list[str] = []

    def first() -> str:
        calls.append("first")
        raise Passing

    def again() -> str:
        calls.append("again")
        if len(calls) < 3:
            raise Passing
        return "settled"

    assert run(first, Patience(), Clock(), [], again=again) == "settled"
    assert calls == ["first", "again", "again"]


@given(wait=st.floats(0, 1000), first=st.floats(1, 10), factor=st.floats(1, 100))
def test_the_wait_is_what_was_asked_for(wait: float, first: float, factor: float) -> None:
    clock = Clock()
    with pytest.raises(StorageUnreachable):
        run(failing(10**9), Patience(wait, first, first * factor), clock, [])
    assert sum(clock.pauses) == pytest.approx(wait, abs=2e-3)
    assert all(pause <= first * factor for pause in clock.pauses)


@pytest.mark.parametrize("lengths", [(-1.0, 0.5, 10.0), (1.0, 0.0, 10.0), (1.0, 2.0, 1.0), (float("nan"), 0.5, 1.0)])
def test_patience_must_make_sense(lengths: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Patience(*lengths)


def test_a_caller_that_gave_up_waits_again_only_after_a_success() -> None:
    clock = Clock()

    def caller(patience: Patience) -> PatientCaller:
        return PatientCaller(
            "x",
            patience=patience,
            is_passing=lambda error: isinstance(error, Passing),
            say=lambda _: None,
            sleep=clock.sleep,
            clock=clock,
        )

    call = caller(Patience(3.0, 1.0, 1.0))
    with pytest.raises(StorageUnreachable):
        call(failing(99))
    assert len(clock.pauses) == 3
    with pytest.raises(StorageUnreachable):
        call(failing(99))
    assert len(clock.pauses) == 3
    assert call(failing(0)) == "value"
    assert call(failing(2)) == "value"
    assert len(clock.pauses) == 5
    with pytest.raises(StorageUnreachable):
        call.hasty()(failing(1))
    assert len(clock.pauses) == 5
    assert call(failing(1)) == "value"  # a hasty failure spends nobody else's patience


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///mlruns/optuna.db", "sqlite:///mlruns/optuna.db"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me:s3/c:ret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://:secret@/db?host=/tmp", "postgresql://:***@/db?host=/tmp"),
        ("postgresql://host/db?user=a&password=secret&x=1", "postgresql://host/db?user=a&password=***&x=1"),
        ("study.storage=a://b:c@d tracking.uri=e://f:g@h", "study.storage=a://b:***@d tracking.uri=e://f:***@h"),
        ("postgresql://me:p@ss@host/db", "postgresql://me:***@host/db"),
        ("a://b:c@d,e://f:g@h", "a://b:***@d,e://f:***@h"),
        ("https://token@host/x http://host/a?b=c@d", "https://***@host/x http://host/a?b=c@d"),
        ("mysql://h/d?passwd=a;b&api_key=c&x_token=d", "mysql://h/d?passwd=***;b&api_key=***&x_token=***"),
        ("mssql:///?odbc_connect=Server%3Da%3BPWD%3Dsecret", "mssql:///?odbc_connect=Server%3Da%3BPWD%3D***"),
        ("", ""),
    ],
)
def test_passwords_are_hidden_and_nothing_else(url: str, shown: str) -> None:
    assert safe_url(url) == shown
