"""Networks to attack: as small as a conditional image generator with convolutions can be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zk.checked.circuit import build_checked
from zk.checked.options import CheckedOptions
from zk.checked.parts import possible_cuts
from zk.checked.program import Claim
from zk.export import export_onnx
from zk.types import Budget

LATENT, CLASSES = 44, 3
"""A latent long enough that small integers solve an equation over the field (:mod:`zk.checked.attacks.lattice`)."""

FACTORS, GROUP = 5, 8
BUDGET = Budget(4 << 30, 60.0)
NAMES = ("latent", "class"), ("image",)
UPSCALED = 3
"""Index of the claim whose result nothing but an extra lookup keeps in range; the cut is behind it."""


class TinyGenerator(nn.Module):
    """Latent [1, 44] and class [1, 3] to an image [1, 2, 4, 4]: five products, two of them interchangeable."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(LATENT + CLASSES, 16)
        self.middle = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])
        self.upscaled = nn.Conv2d(4, 12, 3, padding=1)
        self.last = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Generate."""
        x = F.hardswish(self.first(torch.cat([latent, label], 1))).reshape(1, 4, 2, 2)
        for convolution in self.middle:
            x = F.hardswish(convolution(x))
        found: Tensor = self.last(F.pixel_shuffle(self.upscaled(x), 2))
        return found


class RootGenerator(nn.Module):
    """A generator by way of square roots: EZKL checks one value there and goes on with another."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(LATENT + CLASSES, 1)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Generate."""
        found: Tensor = torch.sqrt(self.last(torch.cat([latent, label], 1)) + 8.0)
        return found


class ProductGenerator(nn.Module):
    """Sums of products of five inputs: integers that go round the field if every input is as great as it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(CLASSES, 4)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """Generate."""
        groups = [latent[:, place * GROUP : (place + 1) * GROUP] for place in range(FACTORS)]
        found = groups[0]
        for group in groups[1:]:
            found = found * group
        rest = latent[:, FACTORS * GROUP :].sum(1, keepdim=True)
        return found.sum(1, keepdim=True) + rest + F.relu(self.first(label)).sum(1, keepdim=True)


@dataclass(frozen=True)
class Scene:
    """A network and the layout that it is proved in.

    Attributes:
        name: for reports.
        options: layout.
        module: which network.
        cut: claim behind which it is cut in two; None leaves it whole.
    """

    name: str
    options: CheckedOptions
    module: type[nn.Module] = TinyGenerator
    cut: int | None = None


_OPTIONS = CheckedOptions(activation_bits=5, private_inputs=("latent",), logrows=9)
WHOLE = Scene("whole", _OPTIONS)
CUT = Scene("cut in two", _OPTIONS, cut=UPSCALED)
OPEN = Scene("public latent", CheckedOptions(activation_bits=5, logrows=9))
BOUND = Scene("bound weights", dataclasses.replace(_OPTIONS, weights="bound"))
COARSE = Scene("coarser", CheckedOptions(activation_bits=4, private_inputs=("latent",), logrows=9))
PRODUCT = Scene("products", CheckedOptions(activation_bits=1, logrows=9), module=ProductGenerator)
ROOT = Scene("square root", dataclasses.replace(_OPTIONS, logrows=12), module=RootGenerator)


def write_network(scene: Scene, path: Path, *, seed: int = 0, swapped: bool = False) -> Path:
    """Export a scene's network, its weights drawn from a seed.

    Args:
        scene: of which network.
        path: to write.
        seed: of the weights.
        swapped: exchange the two layers of equal shape.
    """
    module = draw_network(scene, seed)
    if swapped:
        module.middle = nn.ModuleList(reversed(module.middle))
    return write_module(module, path)


def draw_network(scene: Scene, seed: int = 0) -> Any:
    """A scene's network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return scene.module()


def write_module(module: nn.Module, path: Path) -> Path:
    """Export a network of a scene's inputs."""
    export_onnx(module.eval(), draw_inputs(0), path, *NAMES)
    return path


def add_unread_table(source: Path, target: Path) -> Path:
    """Copy a network with a ReLU behind its convolution before the last, which nothing reads."""
    model = onnx.load(str(source))
    read = [node.output[0] for node in model.graph.node if node.op_type == "Conv"][UPSCALED - 1]
    model.graph.node.append(onnx.helper.make_node("Relu", [read], ["unread"], name="unread"))
    onnx.save(model, str(target))
    return target


def draw_inputs(seed: int) -> tuple[Tensor, Tensor]:
    """Latent and class of one sample."""
    latent = torch.randn(1, LATENT, generator=torch.Generator().manual_seed(seed)) * 0.5
    return latent, torch.eye(CLASSES)[seed % CLASSES : seed % CLASSES + 1]


def scene_options(scene: Scene, onnx_path: Path, workdir: Path) -> CheckedOptions:
    """Options of a scene, its cut included."""
    if scene.cut is None:
        return scene.options
    program = build_checked(onnx_path, scene.options, workdir, budget=BUDGET).program
    place = next(i for i, step in enumerate(program.steps, 1) if isinstance(step, Claim) and step.index == scene.cut)
    return dataclasses.replace(scene.options, cuts=tuple(cut for cut in possible_cuts(program) if cut >= place)[:1])
