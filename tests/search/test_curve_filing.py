"""Points of a curve wait for one another, and none is lost or filed twice."""

from collections.abc import Iterable, Mapping

from gan.training import TrainingRecord
from search.curve_filing import CurveFiling

Point = tuple[int, int, Mapping[str, float]]


class Written:
    """Keeps what a tracker would write."""

    def __init__(self) -> None:
        self.batches: list[list[Point]] = []

    def points(self, run: str, points: Iterable[Point]) -> None:
        assert run == "the run"
        self.batches.append(list(points))


def _record(step: int, seconds: float) -> TrainingRecord:
    return TrainingRecord(step, 32 * step, seconds, 0.5, 0.25, 300.0, None)


def test_points_are_filed_together_once_the_first_has_waited() -> None:
    written = Written()
    curves = CurveFiling(written, "the run", every_seconds=5.0)  # type: ignore[arg-type]
    for step, seconds in ((25, 1.0), (50, 3.0), (75, 5.9), (100, 6.0), (125, 9.0)):
        curves.add(_record(step, seconds))
    assert [[point[0] for point in batch] for batch in written.batches] == [[25, 50, 75, 100]]
    assert written.batches[0][0][2] == {
        "training/discriminator_loss": 0.5,
        "training/generator_loss": 0.25,
        "training/images_per_second": 300.0,
    }


def test_what_waits_is_filed_at_the_end_once() -> None:
    written = Written()
    curves = CurveFiling(written, "the run")  # type: ignore[arg-type]
    curves.add(_record(25, 1.0))
    curves.file()
    curves.file()
    assert [[point[0] for point in batch] for batch in written.batches] == [[25]]
