"""Readers of files from elsewhere accept what is good, and refuse past findings and small damage by their own errors.

The long runs are ``make fuzz``; what they found is in ``seeds`` and read again here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.scene import Scene
from tests.fuzz.targets import Target, all_targets, try_input

KEPT = sorted(path for path in Path(__file__).with_name("seeds").glob("*/*") if path.is_file())
NAMES = tuple(all_targets(Scene(Path())))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of damage before it refuses it


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = Scene(tmp_path_factory.mktemp("scene"))
    made.file("srs")
    return made


@pytest.fixture
def target(request: pytest.FixtureRequest, scene: Scene) -> Target:
    return all_targets(scene)[request.param]


@pytest.mark.parametrize("target", NAMES, indirect=True)
def test_good_inputs_are_accepted(target: Target, scene: Scene, tmp_path: Path) -> None:
    seeds = target.seeds(scene)
    if target.name == "configuration":
        seeds = [seed for seed in seeds if b"os.system" not in seed and b"${n}" not in seed]
    if target.name == "proving-key":
        seeds = [b""]
    assert seeds
    assert all(try_input(target, seed, tmp_path / "one") for seed in seeds)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_refused(path: Path, scene: Scene, tmp_path: Path) -> None:
    accepted = try_input(all_targets(scene)[path.parent.name], path.read_bytes(), tmp_path / "one")
    assert accepted == (path.parent.name == "decoded-cache"), "a damaged cache is made anew, everything else refused"


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[float, int, bytes]]:
    """Changes: a place as a share of the input, how many bytes go there, and what comes instead."""
    change = st.tuples(st.floats(0, 1), st.integers(0, 1 << 12), st.binary(max_size=12))
    return draw(st.lists(change, min_size=1, max_size=4))


@pytest.mark.parametrize("target", NAMES, indirect=True)
def test_damaged_inputs_are_refused_by_the_readers_own_errors(target: Target, scene: Scene, tmp_path: Path) -> None:
    seeds = target.seeds(scene)

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.integers(0, len(seeds) - 1), damage())
    def check(which: int, changes: list[tuple[float, int, bytes]]) -> None:
        data = bytearray(seeds[which])
        for share, gone, put in changes:
            at = int(share * len(data))
            data[at : at + gone] = put
        try_input(target, bytes(data), tmp_path / "one")

    check()
