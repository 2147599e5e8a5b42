"""Ways to train beside the plain one: each runs, resumes to the same weights, and does what its name says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan.data import ImageDataset
from gan.errors import SpecError
from gan.generators import Generator, build_generator
from gan.generators.layers import stage_layers
from gan.mechanisms import Mechanisms
from gan.sampling import one_hot_rows
from gan.spec import GeneratorSpec
from gan.training import (
    Distillation,
    Progressive,
    Teacher,
    TrainingBudget,
    TrainingHooks,
    TrainingIntervals,
    TrainingRecipe,
    TrainingRecord,
    TrainingResult,
    WeightForm,
    train_generator,
)
from gan.training.rounding import binary, fixed_point, integer, ternary
from gan.training.state import TrainingState, build_state
from gan.training.step import drawn_labels, train_step
from gan.training.variational import divergence, drawn_latent, reconstruction
from gan.training.weight_forms import apply_form, baked, prune

CPU = torch.device("cpu")
RECIPE = TrainingRecipe(batch_size=8, discriminator_widths=(8, 8), ema_decay=0.9, bf16=False)
METHODS: dict[str, Callable[[], TrainingRecipe]] = {
    "vae": lambda: replace(RECIPE, method="vae"),
    "vae_gan": lambda: replace(RECIPE, method="vae_gan", kl_weight=0.01),
    "gradient clip": lambda: replace(RECIPE, gradient_clip=3.0),
    "two discriminators": lambda: replace(RECIPE, dual_discriminator=True),
    "integer weights": lambda: replace(RECIPE, weight_form=WeightForm(kind="integer")),
    "binary weights": lambda: replace(RECIPE, weight_form=WeightForm(kind="binary")),
    "ternary weights": lambda: replace(RECIPE, weight_form=WeightForm(kind="ternary", activation_bits=6)),
    "pruning": lambda: replace(RECIPE, weight_form=WeightForm(sparsity=0.5, pruning_at=(0.3, 0.6))),
    "growing": lambda: replace(RECIPE, progressive=Progressive(sizes=(8, 16))),
    "mode seeking": lambda: replace(RECIPE, mode_seeking_weight=0.5),
    "falling rates": lambda: replace(RECIPE, decay_from=0.5),
    "distillation": lambda: replace(
        RECIPE, distillation=Distillation(feature_weight=0.5, judge_weight=0.5, kl_weight=0.5)
    ),
}


def teacher_of(spec: GeneratorSpec) -> Teacher:
    larger = replace(spec, latent_dim=spec.latent_dim + 3, widths=tuple(2 * width for width in spec.widths))
    return Teacher(larger, build_generator(larger, seed=9).eval().requires_grad_(False), "nine")


def train(
    spec: GeneratorSpec, recipe: TrainingRecipe, dataset: ImageDataset, steps: int, folder: Path | None = None
) -> TrainingResult:
    return train_generator(
        spec, recipe, TrainingBudget(steps=steps), dataset, seed=0, device=CPU, folder=folder,
        intervals=TrainingIntervals(record_steps=2), teacher=teacher_of(spec) if recipe.distillation else None,
    )  # fmt: skip


def weights_of(generator: Generator) -> list[torch.Tensor]:
    return [layer.weight.detach() for layer in stage_layers(generator)]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_and_gives_the_plain_generator(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, name: str
) -> None:
    result = train(tiny_spec, METHODS[name](), tiny_dataset, 6)
    assert result.outcome == "completed"
    fresh = build_generator(tiny_spec, seed=0)
    assert result.generator.state_dict().keys() == fresh.state_dict().keys()
    assert any(not torch.equal(a, b) for a, b in zip(weights_of(result.generator), weights_of(fresh), strict=True))
    latent = torch.zeros(2, tiny_spec.latent_dim)
    images = result.generator(latent, one_hot_rows(torch.tensor([0, 1]), tiny_spec.num_classes))
    assert images.shape[-1] == tiny_spec.image_size
    assert torch.isfinite(images).all()


@pytest.mark.parametrize("name", ["vae_gan", "two discriminators", "pruning", "growing", "distillation"])
def test_every_method_resumes_to_the_same_weights(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, name: str
) -> None:
    """Stopped from within, as a lower limit of steps would be another schedule."""
    recipe = METHODS[name]()

    def session(folder: Path | None, stop_at: int | None) -> TrainingResult | None:
        def stop(record: TrainingRecord) -> None:
            if record.step == stop_at:
                raise KeyboardInterrupt

        try:
            return train_generator(
                tiny_spec, recipe, TrainingBudget(steps=8), tiny_dataset, seed=0, device=CPU, folder=folder,
                intervals=TrainingIntervals(record_steps=1), hooks=TrainingHooks(on_record=stop),
                teacher=teacher_of(tiny_spec) if recipe.distillation else None,
            )  # fmt: skip
        except KeyboardInterrupt:
            return None

    through = session(None, None)
    assert session(tmp_path, 5) is None
    resumed = session(tmp_path, None)
    assert through is not None
    assert resumed is not None
    assert resumed.resumed_from_step == 5
    for a, b in zip(through.generator.state_dict().values(), resumed.generator.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_binary_weights_have_two_values_a_channel(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    inner = weights_of(train(tiny_spec, METHODS["binary weights"](), tiny_dataset, 4).generator)[1:-1]
    assert inner
    for weight in inner:
        for channel in weight:
            assert len(channel.abs().unique()) == 1


def test_pruning_reaches_its_share_and_keeps_zeros(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    weights = weights_of(train(tiny_spec, METHODS["pruning"](), tiny_dataset, 8).generator)
    flat = torch.cat([weight.flatten() for weight in weights])
    assert float((flat == 0).double().mean()) == pytest.approx(0.5, abs=0.01)


def test_the_smallest_are_dropped(tiny_spec: GeneratorSpec) -> None:
    generator = build_generator(tiny_spec, seed=0)
    before = torch.cat([weight.flatten() for weight in weights_of(generator)])
    apply_form(generator, WeightForm(sparsity=0.25, pruning_at=(0.5,)))
    prune(generator, 0.25)
    after = torch.cat([weight.flatten() for weight in weights_of(baked(generator))])
    assert before[after == 0].abs().max() <= before[after != 0].abs().min()


def test_pruning_follows_the_budget() -> None:
    form = WeightForm(sparsity=0.6, pruning_at=(0.25, 0.5))
    assert [form.sparsity_at(share) for share in (0.0, 0.24, 0.25, 0.5, 1.0)] == [0.0, 0.0, 0.3, 0.6, 0.6]


def test_roundings_by_hand() -> None:
    values = torch.tensor([0.3, -0.3, 0.125, -0.125], requires_grad=True)
    rounded = fixed_point(values, 2)
    assert rounded.tolist() == [0.25, -0.25, 0.25, 0.0]  # halves go up
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.tolist() == [1.0] * 4
    weight = torch.tensor([[0.5, -1.0], [0.1, 0.3]])
    assert binary(weight, 0).tolist() == [[0.75, -0.75], [pytest.approx(0.2), pytest.approx(0.2)]]
    assert ternary(torch.tensor([[1.0, -0.1, 0.5]]), 0).tolist() == [[0.75, 0.0, 0.75]]
    assert integer(torch.tensor([1.0, -0.34, 0.0]), 2).tolist() == [1.0, 0.0, 0.0]
    assert integer(torch.zeros(3), 8).tolist() == [0.0] * 3


def test_variational_terms_by_hand() -> None:
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    assert float(divergence(mean, log_variance)) == pytest.approx(0.5)
    assert float(divergence(0 * mean, log_variance)) == 0.0
    torch.testing.assert_close(drawn_latent(mean, log_variance, 2 * torch.ones(1, 2)), torch.tensor([[3.0, 2.0]]))
    assert float(reconstruction(torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2))) == 2.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "flow"}, "method must be one of gan, vae, vae_gan"),
        ({"gradient_clip": -1.0}, "gradient_clip must be finite"),
        ({"method": "vae", "dual_discriminator": True}, "has no discriminator"),
        ({"method": "vae", "mode_seeking_weight": 0.1}, "mode_seeking_weight"),
        ({"mode_seeking_weight": -0.1}, "mode_seeking_weight must be finite"),
        ({"decay_from": 1.1}, "decay_from must be a share"),
        ({"decay_from": 0.5, "restarts": (0.6, 0.3)}, "restarts must rise within"),
        ({"decay_from": 0.5, "restarts": (1.0,)}, "restarts must rise within"),
        ({"decay_from": 0.5, "restarts": (float("nan"),)}, "restarts must rise within"),
        ({"restarts": (0.5,)}, "need rates that fall"),
        ({"method": "vae_gan", "progressive": Progressive(sizes=(8, 16))}, "progressive training needs method=gan"),
    ],
)
def test_recipes_that_cannot_be_say_why(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        replace(RECIPE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightForm(kind="octal"), "weight form must be one of"),
        (lambda: WeightForm(weight_bits=1), "weight_bits must be in"),
        (lambda: WeightForm(sparsity=0.5), "sparsity must be in"),
        (lambda: WeightForm(sparsity=0.5, pruning_at=(0.6, 0.3)), "growing shares"),
        (lambda: Progressive(sizes=(8,)), "two or more"),
        (lambda: Progressive(sizes=(8, 12)), "multiple of the one before"),
        (lambda: Distillation(output_weight=0.0), "one must be positive"),
        (lambda: Distillation(temperature=0.0), "temperature must be positive"),
    ],
)
def test_parts_that_cannot_be_say_why(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


def test_recipes_of_before_keep_their_digest() -> None:
    assert TrainingRecipe().digest == "af0dd1654a8247e582ca6fc69a39199782055964c9f47a435b3719399faa427a"
    assert replace(TrainingRecipe(), gradient_clip=1.0).digest != TrainingRecipe().digest


@pytest.mark.parametrize("form", [WeightForm(kind="binary"), WeightForm(sparsity=0.5, pruning_at=(0.5,))])
def test_a_spectral_norm_takes_no_other_form(
    form: WeightForm, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    spec = replace(tiny_spec, mechanisms=Mechanisms(spectral_norm=True))
    with pytest.raises(SpecError, match="spectral_norm must have float weights"):
        train(spec, replace(RECIPE, weight_form=form), tiny_dataset, 1)


def test_gradients_are_clipped(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    """Adam with a large epsilon would hide it: here steps of plain size are compared."""
    free, clipped = (
        train(tiny_spec, replace(RECIPE, gradient_clip=clip, ema_decay=0.0), tiny_dataset, 2).generator
        for clip in (0.0, 1e-12)
    )
    start = build_generator(tiny_spec, seed=0)
    moved = [
        sum(float((a - b).detach().abs().sum()) for a, b in zip(made.parameters(), start.parameters(), strict=True))
        for made in (free, clipped)
    ]
    assert moved[1] < 1e-2 * moved[0]


def test_mode_seeking_spreads_the_images(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    def spread(weight: float) -> float:
        made = train(tiny_spec, replace(RECIPE, mode_seeking_weight=weight, ema_decay=0.0), tiny_dataset, 60).generator
        latent = torch.randn(64, tiny_spec.latent_dim, generator=torch.Generator().manual_seed(1))
        images = made.eval()(latent, one_hot_rows(torch.zeros(64, dtype=torch.long), tiny_spec.num_classes))
        return float(images.detach().std(0).mean())

    assert spread(30.0) > 1.2 * spread(0.0)


def _rates(
    monkeypatch: pytest.MonkeyPatch, spec: GeneratorSpec, dataset: ImageDataset, recipe: TrainingRecipe, steps: int
) -> list[tuple[float, float]]:
    """Learning rates of generator and discriminator in every step."""
    seen: list[tuple[float, float]] = []

    def step(state: TrainingState, recipe: TrainingRecipe, *, bf16: bool) -> tuple[torch.Tensor, torch.Tensor]:
        generator, discriminator = state.generator_optimizer, state.discriminator_optimizer
        seen.append((generator.param_groups[0]["lr"], discriminator.param_groups[0]["lr"]))
        return train_step(state, recipe, bf16=bf16)

    monkeypatch.setattr("gan.training.loop.train_step", step)
    train(spec, recipe, dataset, steps)
    return seen


def test_learning_rates_fall_to_zero(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, decay_from=0.5, discriminator_learning_rate=1e-3)
    seen = _rates(monkeypatch, tiny_spec, tiny_dataset, recipe, 8)
    assert [rate for rate, _ in seen] == pytest.approx([2e-4] * 5 + [1.5e-4, 1e-4, 0.5e-4])
    assert [rate for _, rate in seen] == pytest.approx([1e-3] * 5 + [7.5e-4, 5e-4, 2.5e-4])


def test_a_restart_begins_again_with_full_rates(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, decay_from=0.5, restarts=(0.5,))
    seen = _rates(monkeypatch, tiny_spec, tiny_dataset, recipe, 16)
    assert [rate for rate, _ in seen] == pytest.approx(2 * ([2e-4] * 5 + [1.5e-4, 1e-4, 0.5e-4]))
    # Up to the restart this is the training of half as many steps.
    assert [recipe.decay_at(step / 16) for step in range(8)] == [
        replace(recipe, restarts=()).decay_at(step / 8) for step in range(8)
    ]
    assert recipe.decay_at(1.0) == 0.0


def test_paired_batches_have_every_class_twice(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    state = build_state(tiny_spec, RECIPE, tiny_dataset, seed=0, device=CPU)
    labels = drawn_labels(state, 9, paired=True)
    assert labels[:4].equal(labels[4:8])
    assert len(labels) == 9


def test_both_discriminators_learn(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    state = build_state(tiny_spec, replace(RECIPE, dual_discriminator=True), tiny_dataset, seed=0, device=CPU)
    assert state.half_discriminator is not None
    judges = (state.discriminator, state.half_discriminator)
    before = [[value.detach().clone() for value in judge.parameters()] for judge in judges]
    train_step(state, replace(RECIPE, dual_discriminator=True), bf16=False)
    for judge, values in zip(judges, before, strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(judge.parameters(), values, strict=True))


@pytest.mark.parametrize(("kind", "most"), [("integer", 7), ("ternary", 3)])
def test_trained_weights_have_few_levels(
    kind: str, most: int, tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    recipe = replace(RECIPE, ema_decay=0.0, weight_form=WeightForm(kind=kind, weight_bits=3))
    generator = train(tiny_spec, recipe, tiny_dataset, 3).generator
    layers = stage_layers(generator)
    inner = layers if kind == "integer" else layers[1:-1]
    assert inner
    for layer in inner:
        axis = 1 if isinstance(layer, torch.nn.ConvTranspose2d) else 0
        rows = [layer.weight.flatten()] if kind == "integer" else layer.weight.unbind(axis)
        assert all(len(torch.unique((row * 1e5).round())) <= most for row in rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"normalisation": "instance"},
        {"mechanisms": Mechanisms(attention="light")},
        {"mechanisms": Mechanisms(style_layers=1)},
        {"conditioning": "conditional_batchnorm", "embed_dim": 0},
    ],
)
def test_roundings_that_are_not_the_circuit_s_are_refused(
    changes: dict[str, object], tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset
) -> None:
    recipe = replace(RECIPE, weight_form=WeightForm(activation_bits=6))
    with pytest.raises(SpecError, match="activation_bits rounds what goes from layer to layer"):
        train(replace(tiny_spec, **changes), recipe, tiny_dataset, 1)  # type: ignore[arg-type]
