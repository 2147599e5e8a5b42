"""Nodes left to EZKL: many inputs in one call give what each alone gives, and circuits of other options stand apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.zk.checked.test_checked_operators import build
from zk.checked import simulate
from zk.checked.evaluate import quantise, run_program, run_programs
from zk.checked.program import Foreign
from zk.checked.simulate import CheckedSimulator

NETWORK = nn.Sequential(nn.Linear(8, 6), nn.Softmax(1), nn.Linear(6, 6), nn.Softmax(1), nn.Linear(6, 2))


def rows(count: int) -> Tensor:
    return torch.randn((count, 1, 8), generator=torch.Generator().manual_seed(3))


def test_a_batch_gives_what_each_input_alone_gives(tmp_path: Path) -> None:
    _, circuit = build(tmp_path, NETWORK, (1, 8))
    program, calls = circuit.program, list[tuple[str, int]]()

    def counted(step: Foreign, batch: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        calls.append((step.node.name, len(batch)))
        return circuit.foreign.values(step, batch)

    given = [quantise(program, (row,)) for row in rows(3)]
    together = run_programs(program, given, counted)
    nodes = [step.node.name for step in program.steps if isinstance(step, Foreign)]
    assert len(nodes) >= 2
    assert calls == [(name, 3) for name in nodes]
    for inputs, run in zip(given, together, strict=True):
        alone = run_program(program, inputs, circuit.foreign.values)
        assert torch.equal(run.outputs[0], alone.outputs[0])
        assert run.looked_up == alone.looked_up
        for parts, others in zip(run.claims, alone.claims, strict=True):
            assert all(torch.equal(part, other) for part, other in zip(parts, others, strict=True))
    assert not torch.equal(together[0].outputs[0], together[1].outputs[0])


def test_no_inputs_give_no_runs(tmp_path: Path) -> None:
    _, circuit = build(tmp_path, NETWORK, (1, 8))
    assert run_programs(circuit.program, [], circuit.foreign.values) == []


@pytest.mark.parametrize("together", [1, 2, 5])
def test_images_do_not_depend_on_how_many_wait_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    _, circuit = build(tmp_path, NETWORK, (1, 8))
    expected = CheckedSimulator(circuit).run([rows(5)])
    monkeypatch.setattr(simulate, "TOGETHER", together)
    found = CheckedSimulator(circuit).run([rows(5)])
    assert found.outputs[0].shape == (5, 2)
    assert torch.equal(found.outputs[0], expected.outputs[0])
    assert torch.equal(found.in_range, expected.in_range)
    assert torch.equal(found.reach, expected.reach)


def test_circuits_of_other_options_stand_apart_in_one_folder(tmp_path: Path) -> None:
    """Both are drafted first: the second must not take the place of the first one's files."""
    _, narrow = build(tmp_path, NETWORK, (1, 8), logrows=11)
    _, wide = build(tmp_path, NETWORK, (1, 8), logrows=12)
    x = rows(1)[0]
    for circuit, other in ((narrow, wide), (wide, narrow)):
        assert circuit.program.options != other.program.options
        run = run_program(circuit.program, quantise(circuit.program, (x,)), circuit.foreign.values)
        expected = NETWORK(x).detach().flatten()
        found = run.outputs[0].double().flatten() / 2.0 ** circuit.program.outputs[0].bits
        assert (found - expected).abs().max() < 0.1
    assert len(list((tmp_path / "nodes" / "nodes").iterdir())) == 2  # the two softmax of a network are one circuit
