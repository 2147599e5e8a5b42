"""Convolutions in bands: the split itself, keys that parts share, a proof, and a band of another input."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zk.bundle import BundlePart
from zk.bundle_check import verify_bundle
from zk.checked import prove as prove_module
from zk.checked.attacks.forgery import Forgery
from zk.checked.attacks.inprocess import in_process
from zk.checked.attacks.lab import ACCEPTED, Lab
from zk.checked.attacks.prover import Cheater
from zk.checked.attacks.scenes import Scene
from zk.checked.attacks.system import build_system
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.errors import CheckedError
from zk.checked.keys import nameless_digest
from zk.checked.options import CheckedOptions
from zk.checked.prove import CheckedProof, PartProof, Proving, make_proofs
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.checked.tiles import Tiling, tile_convolution, tile_cuts
from zk.checked.verify import CheckedExamination
from zk.export import export_onnx, run_onnx
from zk.srs import srs_path
from zk.types import Budget, Outcome

BUDGET = Budget(4 << 30, 120.0)
BANDS = 4


def export(module: nn.Module, shape: tuple[int, ...], path: Path) -> tuple[Path, Tensor]:
    """A module's file, and an input for it."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return export_onnx(module, (x,), path, ("x",), ("y",)).path, x


def run_tiled(path: Path, tiling: Tiling, x: Tensor) -> Tensor:
    outputs = run_onnx(path, tuple(piece.numpy() for piece in tiling.pieces(x)))
    return tiling.join([torch.from_numpy(output) for output in outputs])


# the split


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((12, 6), {"kernel_size": 3, "padding": 1}),
        ((13, 5), {"kernel_size": 3}),
        ((11, 7), {"kernel_size": (5, 3), "padding": (2, 1), "stride": (2, 1)}),
        ((17, 4), {"kernel_size": 1, "stride": 3}),  # rows that nothing reads, between bands and behind them
        ((14, 4), {"kernel_size": 2, "stride": 3, "padding": (1, 0)}),
        ((15, 9), {"kernel_size": 3, "dilation": (3, 2), "padding": (3, 0)}),
        ((13, 6), {"kernel_size": 3, "dilation": 2, "stride": 2, "padding": 1, "bias": False}),
        ((9, 6), {"kernel_size": 3, "padding": 1, "groups": 2}),
        ((5, 4), {"kernel_size": (5, 1), "padding": (2, 0)}),  # every band reads nearly all
    ],
)
def test_a_tiled_convolution_is_the_convolution(
    tmp_path: Path, shape: tuple[int, int], options: dict[str, Any], bands: int
) -> None:
    torch.manual_seed(0)
    source, x = export(nn.Conv2d(2, 4, **options), (1, 2, *shape), tmp_path / "n.onnx")
    tiling = tile_convolution(source, tmp_path / "t.onnx", bands)
    wanted = torch.from_numpy(run_onnx(source, (x.numpy(),))[0])
    assert torch.allclose(run_tiled(tmp_path / "t.onnx", tiling, x), wanted, atol=1e-6)
    for rows, height in ((tiling.piece_rows, shape[0]), (tiling.band_rows, wanted.shape[2])):
        assert [part.start for part in rows] == [0, *(part.stop for part in rows[:-1])]
        assert rows[-1].stop == height
    sizes = [rows.stop - rows.start for rows in tiling.band_rows]
    assert max(sizes) - min(sizes) <= 1


def test_pieces_are_cut_at_the_bands_edges_only(tmp_path: Path) -> None:
    source, _ = export(nn.Conv2d(2, 3, 3, padding=1), (1, 2, 12, 6), tmp_path / "n.onnx")
    tiling = tile_convolution(source, tmp_path / "t.onnx", 4)
    assert [rows.start for rows in tiling.piece_rows] == [0, 2, 4, 5, 7, 8, 10]
    assert tiling.piece_rows[1].name == "x_rows_1"
    assert [rows.name for rows in tiling.band_rows] == ["y_rows_0", "y_rows_1", "y_rows_2", "y_rows_3"]
    assert tiling.reads == (range(2), range(1, 4), range(3, 6), range(5, 7))


def test_what_cannot_be_tiled(tmp_path: Path) -> None:
    source, x = export(nn.Conv2d(1, 1, 3), (1, 1, 6, 6), tmp_path / "n.onnx")
    for bands in (0, 5):
        with pytest.raises(CheckedError, match="bands must be in 1..4"):
            tile_convolution(source, tmp_path / "t.onnx", bands)
    tiling = tile_convolution(source, tmp_path / "t.onnx", 2)
    with pytest.raises(CheckedError, match=r"must be \[N, C, 6, W\]"):
        tiling.pieces(x[:, :, 1:])
    with pytest.raises(CheckedError, match=r"rows \[2, 2\]; got rows \[1, 3\]"):
        tiling.join([torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 3, 4)])
    padded, _ = export(nn.Conv2d(1, 1, 1, padding=1), (1, 1, 4, 4), tmp_path / "n.onnx")
    with pytest.raises(CheckedError, match="padding alone"):
        tile_convolution(padded, tmp_path / "t.onnx", 6)
    modules: list[tuple[nn.Module, tuple[int, ...]]] = [
        (nn.Linear(2, 2), (1, 2)),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), (1, 1, 6, 6)),
    ]
    for module, shape in modules:
        other, _ = export(module, shape, tmp_path / "other.onnx")
        with pytest.raises(CheckedError, match="one Conv of one input"):
            tile_convolution(other, tmp_path / "t.onnx", 1)
    line, _ = export(nn.Conv1d(1, 1, 3), (1, 1, 6), tmp_path / "other.onnx")
    with pytest.raises(CheckedError, match=r"must be \[N, C, H, W\]"):
        tile_convolution(line, tmp_path / "t.onnx", 1)


# proofs


def build(path: Path, folder: Path, **options: Any) -> CheckedCircuit:
    made = CheckedOptions(**{"activation_bits": 6, "logrows": 9, **options})
    return build_checked(path, made, folder / "nodes", budget=BUDGET)


@dataclasses.dataclass(frozen=True)
class Tiled:
    """A small convolution in bands.

    Attributes:
        source: of the convolution.
        path: of the tiled graph.
        tiling: how it is split.
        x: an input.
        options: a part for each band, all inputs private.
        circuit: compiled.
    """

    source: Path
    path: Path
    tiling: Tiling
    x: Tensor
    options: CheckedOptions
    circuit: CheckedCircuit


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Tiled:
    folder = tmp_path_factory.mktemp("tiled")
    torch.manual_seed(0)
    source, x = export(nn.Conv2d(2, 3, 3, padding=1), (1, 2, 12, 6), folder / "n.onnx")
    path = folder / "t.onnx"
    tiling = tile_convolution(source, path, BANDS)
    names = tuple(rows.name for rows in tiling.piece_rows)
    whole = build(path, folder, private_inputs=names)
    options = dataclasses.replace(whole.program.options, cuts=tile_cuts(whole.program))
    return Tiled(source, path, tiling, x, options, build_checked(path, options, folder, budget=BUDGET))


@pytest.fixture(scope="module")
def proved(tiled: Tiled) -> CheckedRun:
    with in_process():
        return prove_checked(tiled.path, tiled.circuit, tiled.tiling.pieces(tiled.x), proving(tiled, "work"))


def proving(tiled: Tiled, name: str, **changes: Any) -> Proving:
    return Proving(tiled.path.parent / name, tiled.path.parent / "srs", BUDGET, **changes)


def setups(proof: CheckedProof) -> list[str]:
    return [stage.message for part in proof.parts for stage in part.stages if stage.stage == "setup"]


def test_every_band_is_a_part(tiled: Tiled) -> None:
    parts = [part.part for part in tiled.circuit.parts]
    assert [[value.name for value in part.outputs] for part in parts] == [
        [value.name] for value in tiled.circuit.program.outputs
    ]
    assert [[column.name for column in part.reads] for part in parts] == [
        ["given_0", "given_1"],
        ["given_1", "given_2", "given_3"],
        ["given_3", "given_4", "given_5"],
        ["given_5", "given_6"],
    ]
    assert [len(part.ranged) for part in parts] == [2, 2, 2, 1]
    assert not any(part.writes for part in parts)


def test_a_proof_in_bands_counts(tiled: Tiled, proved: CheckedRun) -> None:
    assert proved.counts_as_proved, proved.wiring_reason
    assert proved.fidelity is not None
    shapes = [value.shape for value in tiled.circuit.program.outputs]
    flat = torch.tensor(proved.fidelity.output).split([value.size for value in tiled.circuit.program.outputs])
    joined = tiled.tiling.join([rows.reshape(shape) for rows, shape in zip(flat, shapes, strict=True)])
    wanted = torch.from_numpy(run_onnx(tiled.source, (tiled.x.numpy(),))[0])
    assert (joined - wanted).abs().max() < 0.05


def test_bands_of_one_circuit_share_a_key(tiled: Tiled, proved: CheckedRun) -> None:
    digests = [nameless_digest(part.model) for part in tiled.circuit.parts]
    assert len(set(digests)) == 3
    assert digests[1] == digests[2]
    assert setups(proved.proof) == ["", "", "key of part 1", ""]
    stage = next(stage for stage in proved.proof.parts[2].stages if stage.message)
    assert (stage.outcome, stage.wall_seconds, stage.peak_rss_bytes) == (Outcome.OK, 0.0, 0)
    keys = [(part.folder / "vk.key").read_bytes() for part in proved.proof.parts]
    assert keys[1] == keys[2]
    assert len(set(keys)) == 3
    assert not list((tiled.path.parent / "work").rglob("pk.key"))


def test_a_run_that_goes_on_shares_its_own_keys(tiled: Tiled, proved: CheckedRun) -> None:
    """Parts 1 and 2 are proved again, as if the run had been killed; what is kept then is in their folders."""
    where = proving(tiled, "kept", keep_proving_key=True)
    shutil.copytree(proved.proof.parts[0].folder.parent, where.workdir)
    for index in (1, 2):
        (where.workdir / f"part-{index}" / "done.json").unlink()
    (where.workdir / "keys" / "stale").mkdir(parents=True)
    with in_process():
        found = make_proofs(tiled.circuit, tiled.tiling.pieces(tiled.x), where)
    assert found.complete
    assert setups(found) == ["", "", "key of part 1", ""]
    kept = sorted(where.workdir.rglob("pk.key"))
    assert [path.parent.name for path in kept] == ["part-1", "part-2"]
    assert kept[0].read_bytes() == kept[1].read_bytes()
    assert not (where.workdir / "keys").exists()


@pytest.mark.parametrize(("parallel", "sharing"), [(1, True), (2, False)])
def test_parts_proved_at_once_share_no_keys(
    tiled: Tiled, monkeypatch: pytest.MonkeyPatch, parallel: int, sharing: bool
) -> None:
    seen: list[bool] = []

    @contextlib.contextmanager
    def watched(parts: Any, folder: Path, *, sharing: bool) -> Iterator[None]:
        seen.append(sharing)
        yield

    def unproved(*args: Any) -> PartProof:
        return PartProof(tiled.path.parent, ())

    monkeypatch.setattr(prove_module, "key_shelf", watched)
    monkeypatch.setattr(prove_module, "_prove_part", unproved)
    with in_process():
        make_proofs(tiled.circuit, tiled.tiling.pieces(tiled.x), proving(tiled, "at-once", parallel=parallel))
    assert seen == [sharing]


def test_its_bundle_is_accepted(tiled: Tiled, proved: CheckedRun) -> None:
    target, where = tiled.path.parent / "b.zip", proving(tiled, "work")
    bundle = write_checked_bundle(proved, tiled.circuit, target, onnx_path=tiled.path, proving=where, config=None)
    srs = srs_path(tiled.path.parent / "srs", 9)
    with in_process():
        found = verify_bundle(bundle.path, srs, budget=BUDGET, model_path=tiled.path)
        other = verify_bundle(bundle.path, srs, budget=BUDGET, model_path=tiled.source)
    assert found.accepted, [check for check in found.checks if check.reason]
    reasons = {check.name: check.reason for check in found.checks}
    assert reasons["boundaries"] == "3 columns shared by parts, with equal commitments"
    assert found.values is not None
    assert found.values.inputs == ()
    assert other.failed[0] == "model"


@pytest.fixture(scope="module")
def cheater(tiled: Tiled) -> Cheater:
    folder = tiled.path.parent
    system = build_system(Scene("tiled", tiled.options), folder / "system", folder / "srs", onnx_path=tiled.path)
    return Cheater(system, tiled.tiling.pieces(tiled.x))


@pytest.fixture(scope="module")
def honest(cheater: Cheater) -> tuple[BundlePart, ...]:
    return cheater.prove_all()


def other_halo(cheater: Cheater, honest: tuple[BundlePart, ...], piece: int) -> Forgery:
    """The second band is proved from another piece of rows; whatever else it holds is the first one's."""
    integers = list(cheater.integers)
    integers[piece] = integers[piece] + 20
    other = cheater.prove(cheater.follow({}, integers), 1)
    assert other.public_values[-1] != honest[1].public_values[-1]
    return Forgery(cheater.system, (honest[0], other, *honest[2:]), rebuild=False)


@pytest.mark.parametrize(("piece", "reason"), [(1, "parts 0 and 1 must commit to one given_1"), (3, "parts 1 and 2")])
def test_bands_of_two_inputs_are_rejected(
    cheater: Cheater, honest: tuple[BundlePart, ...], tmp_path: Path, piece: int, reason: str
) -> None:
    found = Lab(tmp_path, cheater.system.srs).verify(other_halo(cheater, honest, piece))
    assert found.outcome == "boundaries"
    assert reason in found.reason


def test_nothing_but_the_comparison_of_columns_rejects_them(
    cheater: Cheater, honest: tuple[BundlePart, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(examination: CheckedExamination) -> str:
        return ""

    monkeypatch.setattr(CheckedExamination, "boundaries", unchecked)
    assert Lab(tmp_path, cheater.system.srs).verify(other_halo(cheater, honest, 1)).outcome == ACCEPTED
