"""Columns, keys and proofs: predicted from figures, measured on real keys."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.audit_key import open_proving_key
from zk.calibration import measure_stages
from zk.calibration_circuits import CalibrationCircuit, elementwise
from zk.circuit_cost import CircuitCost, block_count
from zk.columns import Columns, circuit_columns, proof_bytes, proving_key_bytes, verification_key_bytes
from zk.types import Budget, CircuitOptions

FIXED_TOLERANCE = 1
"""Of the circuits below. The fixed columns are the only approximate figure."""


class Measured(NamedTuple):
    """A circuit's figures, and what its keys and its proof had.

    Attributes:
        inner: columns of one dot product.
        tables: lookup tables, range tables, and the columns that the longest of them is split over.
        cells: of the columns of shuffles and of Freivalds columns.
        key: fixed columns, permutation columns, selectors, and the extension.
        sizes: bytes of the proving key, the verification key and the proof.
    """

    name: str
    inner: int
    logrows: int
    rows: int
    constants: int
    tables: tuple[int, int, int]
    public: int
    cells: tuple[int, int]
    key: tuple[int, int, int, int]
    sizes: tuple[int, int, int]

    @property
    def cost(self) -> CircuitCost:
        """The figures; those that no column follows from are zero."""
        lookups, ranges, parts = self.tables
        shuffles, freivalds = self.cells
        blocks = block_count(self.rows, self.logrows)
        return CircuitCost(
            einsum_distinct=0,
            einsum_instances=0,
            rows=self.rows,
            total_assignments=0,
            total_const_size=self.constants,
            static_lookups=lookups,
            range_checks=ranges,
            dynamic_lookups=0,
            shuffles=shuffles // 4,
            einsum_column_cells=freivalds,
            public_values=self.public,
            num_inner_cols=self.inner,
            logrows=self.logrows,
            blocks=blocks,
            columns=0,
            lookup_arguments=0,
            table_columns=parts,
            shuffle_column_cells=shuffles,
        )


# Keys made with ezkl 23.0.5; "gen" are small generators, "s2" and so on say how many columns a table is split over.
MEASURED = [
    Measured("dense", 2, 11, 1160, 293, (0, 0, 1), 144, (0, 0), (7, 8, 12, 4), (6689107, 4039, 2112)),
    Measured("conv b11", 2, 12, 40960, 92, (0, 0, 1), 3072, (0, 0), (67, 68, 132, 4), (107820691, 76231, 16832)),
    Measured("conv w1", 1, 15, 307211, 95, (0, 0, 1), 6144, (0, 0), (66, 32, 90, 2), (417710555, 374919, 11776)),
    Measured("conv w3", 3, 15, 105131, 104, (0, 0, 1), 6144, (0, 0), (25, 38, 60, 4), (409195987, 249799, 8128)),
    Measured("conv w4", 4, 15, 79872, 97, (0, 0, 1), 6144, (0, 0), (19, 38, 54, 8), (623080387, 224839, 7488)),
    Measured("dense w8", 8, 14, 16656, 1015, (0, 0, 1), 1152, (0, 0), (15, 50, 60, 16), (638711427, 127047, 8640)),
    Measured("conv 2^18", 2, 18, 606464, 105, (0, 0, 1), 12288, (0, 0), (19, 20, 36, 4), (2064780691, 1182151, 5056)),
    Measured("relu", 2, 15, 36864, 3, (0, 2, 1), 8192, (0, 0), (20, 14, 32, 4), (226626523, 133255, 5344)),
    Measured("relus", 2, 16, 211584, 81, (0, 2, 1), 4864, (0, 0), (37, 26, 64, 4), (818419155, 528327, 9920)),
    Measured("gen b12", 2, 14, 189184, 91, (1, 2, 1), 2816, (0, 0), (129, 74, 216, 4), (645334515, 455367, 34368)),
    Measured("gen w1", 1, 16, 299778, 102, (1, 2, 1), 1792, (0, 0), (35, 17, 60, 4), (679973387, 494855, 8032)),
    Measured("gen w3", 3, 15, 130562, 92, (1, 2, 1), 2816, (0, 0), (65, 38, 96, 4), (661005203, 399815, 17472)),
    Measured("gen 4", 2, 15, 135936, 104, (2, 2, 1), 1792, (0, 0), (68, 32, 100, 4), (642146955, 416007, 17408)),
    Measured("gen 4, w4", 4, 14, 73600, 108, (2, 2, 1), 1792, (0, 0), (115, 62, 170, 8), (940936451, 359495, 32576)),
    Measured("tanh w1", 1, 15, 24576, 0, (1, 0, 1), 16384, (0, 0), (6, 4, 10, 4), (75539355, 41607, 1632)),
    Measured("tanh s2", 2, 14, 6144, 0, (1, 0, 2), 8192, (0, 0), (10, 7, 14, 8), (101742083, 29767, 2880)),
    Measured("tanh s3", 2, 14, 6144, 0, (1, 0, 3), 8192, (0, 0), (11, 7, 14, 8), (106985051, 29831, 3424)),
    Measured("tanh s5", 2, 14, 6144, 0, (1, 0, 5), 8192, (0, 0), (14, 7, 14, 8), (122713955, 30023, 4384)),
    Measured("max-pool", 2, 9, 2720, 5, (0, 2, 1), 320, (256, 0), (60, 41, 109, 8), (16956963, 13447, 17504)),
    Measured("max-pool w3", 3, 11, 1898, 5, (0, 2, 1), 320, (256, 0), (18, 14, 25, 8), (22553643, 8455, 5376)),
    Measured("freivalds w1", 1, 10, 512, 198, (0, 0, 1), 512, (0, 802), (26, 11, 34, 2), (5053923, 6727, 4224)),
    Measured("freivalds", 2, 10, 256, 193, (0, 0, 1), 512, (0, 804), (20, 20, 40, 4), (8266219, 7687, 5088)),
]

every_measured = pytest.mark.parametrize("measured", MEASURED, ids=lambda measured: measured.name)


def sizes_of(columns: Columns) -> tuple[int, int, int]:
    return proving_key_bytes(columns), verification_key_bytes(columns), proof_bytes(columns)


@every_measured
def test_columns_of_real_keys(measured: Measured) -> None:
    columns = circuit_columns(measured.cost)
    fixed, permutation, selectors, extension = measured.key
    assert (columns.permutation, columns.selectors, columns.extension) == (permutation, selectors, extension)
    assert abs(columns.fixed - fixed) <= FIXED_TOLERANCE
    assert (columns.logrows, columns.rows) == (measured.logrows, 1 << measured.logrows)


@every_measured
def test_sizes_are_exact_once_the_fixed_columns_are(measured: Measured) -> None:
    columns = dataclasses.replace(circuit_columns(measured.cost), fixed=measured.key[0])
    assert sizes_of(columns) == measured.sizes


def test_the_examples_are_diverse_and_most_fixed_columns_are_exact() -> None:
    assert {measured.inner for measured in MEASURED} == {1, 2, 3, 4, 8}
    assert {min(measured.cost.blocks, 12) for measured in MEASURED} >= {1, 2, 3, 4, 5, 11, 12}
    missed = [measured for measured in MEASURED if circuit_columns(measured.cost).fixed != measured.key[0]]
    assert len(missed) < len(MEASURED) / 3


@pytest.mark.parametrize(
    ("change", "sizes"),
    [
        ({"fixed": 1}, (64 + 24 + 6 * 32 * 256, 64, 32)),
        ({"permutation": 1}, (64 + 24 + 6 * 32 * 256, 64, 32)),
        ({"selectors": 1}, (256 // 8, 256 // 8, 0)),
        ({"advice": 1}, (0, 0, 3 * 32)),
        ({"lookups": 1}, (0, 0, 7 * 32)),
        ({"blocks": 1}, (0, 0, 32)),
        ({"permutation": 4}, (4 * (64 + 24 + 6 * 32 * 256), 4 * 64, (4 + 5) * 32)),  # 14 of 3 each, then 18
    ],
)
def test_what_one_more_costs(change: dict[str, int], sizes: tuple[int, int, int]) -> None:
    plain = Columns(8, 2, advice=12, fixed=20, permutation=14, selectors=32, lookups=8, degree=5)
    larger = dataclasses.replace(plain, **{name: getattr(plain, name) + more for name, more in change.items()})
    found = tuple(after - before for before, after in zip(sizes_of(plain), sizes_of(larger), strict=True))
    assert found == sizes


@pytest.mark.parametrize(
    ("degree", "extension", "products"), [(3, 2, 12), (4, 4, 6), (5, 4, 4), (6, 8, 3), (9, 8, 2), (10, 16, 2)]
)
def test_degree_decides_the_extension_and_the_grand_products(degree: int, extension: int, products: int) -> None:
    columns = Columns(8, 1, advice=6, fixed=7, permutation=12, selectors=12, lookups=0, degree=degree)
    assert (columns.extension, columns.grand_products) == (extension, products)


def test_constants_and_public_values_take_columns_only_where_there_are_any() -> None:
    cost = MEASURED[0].cost
    plain = circuit_columns(cost)
    private = circuit_columns(dataclasses.replace(cost, public_values=0))
    assert (plain.permutation - private.permutation, plain.fixed - private.fixed) == (1, 0)
    bare = circuit_columns(dataclasses.replace(cost, total_const_size=0))
    assert (plain.permutation - bare.permutation, plain.fixed - bare.fixed) == (1, 0)  # a fixed column stays
    many = circuit_columns(dataclasses.replace(cost, total_const_size=2041))
    assert (many.permutation - plain.permutation, many.fixed - plain.fixed) == (1, 1)


@settings(deadline=None)
@given(st.sampled_from(MEASURED), st.integers(1, 30), st.integers(1, 64))
def test_more_blocks_never_make_anything_smaller(measured: Measured, blocks: int, inner: int) -> None:
    cost = dataclasses.replace(measured.cost, blocks=blocks, num_inner_cols=inner)
    less, more = circuit_columns(cost), circuit_columns(dataclasses.replace(cost, blocks=blocks + 1))
    assert more.advice == less.advice + 3 * inner
    assert more.fixed > less.fixed
    assert more.selectors > less.selectors
    assert all(small < large for small, large in zip(sizes_of(less), sizes_of(more), strict=True))


def test_a_fresh_key_and_proof_have_the_predicted_sizes(tmp_path: Path) -> None:
    options = CircuitOptions(logrows=8, decomp_base=128, scale_rebase_multiplier=10)
    circuit = CalibrationCircuit("relu", elementwise("Relu", 64), options)
    inputs = circuit.write(tmp_path / "m.onnx", 0)
    sample = measure_stages(
        "relu", tmp_path / "m.onnx", [inputs], tmp_path / "run", tmp_path / "srs", options, Budget(4 << 30, 120.0)
    )
    assert (sample.cost.blocks, sample.cost.range_checks) == (3, 2)
    columns, run = circuit_columns(sample.cost), tmp_path / "run"
    key = open_proving_key(run / "pk.key")
    assert (key.fixed_columns, key.columns, key.selectors) == (columns.fixed, columns.permutation, columns.selectors)
    proof = json.loads((run / "proof.json").read_text())["proof"]
    assert ((run / "pk.key").stat().st_size, (run / "vk.key").stat().st_size, len(proof)) == sizes_of(columns)


@pytest.mark.parametrize(
    ("inner", "blocks", "parts", "expected"),
    [
        (2, 2, (2, 1), 12),
        (2, 2, (3, 1), 14),
        (1, 3, (3, 1), 11),
        (2, 2, (5, 1), 22),
        (5, 2, (1, 1), 10),
        (8, 2, (1, 1), 12),
    ],
)
def test_an_argument_holds_as_many_inputs_as_the_degree_allows(
    inner: int, blocks: int, parts: tuple[int, ...], expected: int
) -> None:
    """Lookup arguments that exact proof sizes of ReLU circuits (ezkl 23.0.5, height 2**8) were found with."""
    cost = dataclasses.replace(
        MEASURED[0].cost,
        num_inner_cols=inner,
        blocks=blocks,
        static_lookups=0,
        range_checks=2,
        table_columns=max(parts),
        table_parts=parts,
    )
    assert circuit_columns(cost).lookups == expected
