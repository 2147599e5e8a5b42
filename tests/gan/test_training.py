import copy
import errno
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.utils.parametrizations import spectral_norm

from gan.data import ImageDataset
from gan.errors import CheckpointError, SpecError
from gan.generators import Generator
from gan.sampling import GeneratorSampler
from gan.spec import GeneratorSpec
from gan.training import (
    CHECKPOINT_NAME,
    TrainingBudget,
    TrainingHooks,
    TrainingIntervals,
    TrainingOutcome,
    TrainingRecipe,
    TrainingRecord,
    TrainingResult,
    WeightForm,
    checkpoint_identity,
    published_budget,
    train_generator,
)
from gan.training import step as step_module
from gan.training.ema import settle_spectral_norms, update_average

CPU = torch.device("cpu")
RECIPE = TrainingRecipe(batch_size=8, discriminator_widths=(8, 8), ema_decay=0.9, bf16=False)
PUBLISHED = TrainingRecipe(
    loss="bce", discriminator="published", discriminator_widths=(8, 8), batch_size=8, auxiliary_weight=0.0,
    label_smoothing=0.1, ema_decay=0.0, adam_betas=(0.5, 0.999), bf16=False,
)  # fmt: skip


def train(
    spec: GeneratorSpec, dataset: ImageDataset, steps: int, folder: Path | None = None, **changes: object
) -> TrainingResult:
    arguments: dict[str, object] = {"recipe": RECIPE, "seed": 0, "intervals": TrainingIntervals(record_steps=2)}
    arguments |= changes
    recipe = arguments.pop("recipe")
    return train_generator(spec, recipe, TrainingBudget(steps=steps), dataset, device=CPU, folder=folder, **arguments)  # type: ignore[arg-type]


def same_weights(first: Generator, second: Generator) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("recipe", [RECIPE, PUBLISHED, replace(RECIPE, augmentation=("translation", "cutout"))])
def test_training_completes_and_records(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, recipe: TrainingRecipe
) -> None:
    records: list[TrainingRecord] = []
    grids: list[tuple[int, torch.Size]] = []
    hooks = TrainingHooks(on_record=records.append, on_samples=lambda step, images: grids.append((step, images.shape)))
    intervals = TrainingIntervals(record_steps=2, sample_steps=3)
    result = train(tiny_spec, tiny_dataset, 5, recipe=recipe, hooks=hooks, intervals=intervals)
    assert result.outcome is TrainingOutcome.COMPLETED
    assert (result.steps, result.last_finite_step, result.images, result.resumed_from_step) == (5, 5, 40, 0)
    assert [record.step for record in records] == [2, 4, 5]
    assert [point["step"] for point in result.history] == [2, 4, 5]
    assert grids == [(3, torch.Size([16, 3, 16, 16]))]
    assert not result.generator.training


def test_training_learns_the_classes(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    recipe = replace(RECIPE, batch_size=16, generator_learning_rate=2e-3, discriminator_learning_rate=2e-3)
    generator = train(tiny_spec, tiny_dataset, 150, recipe=recipe).generator
    sample = GeneratorSampler(generator, latent_dim=4, num_classes=2, seed=0)
    indices = torch.arange(20)
    dark, bright = sample(indices * 0, indices).mean().item(), sample(indices * 0 + 1, indices).mean().item()
    assert dark < -0.3
    assert bright > 0.1


def test_resuming_gives_the_same_generator_as_running_through(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, augmentation=("translation",))
    through = train(tiny_spec, tiny_dataset, 9, recipe=recipe)
    for steps in (2, 6):
        train(tiny_spec, tiny_dataset, steps, tmp_path, recipe=recipe)
    resumed = train(tiny_spec, tiny_dataset, 9, tmp_path, recipe=recipe)
    assert resumed.resumed_from_step == 6
    assert same_weights(resumed.generator, through.generator)


def test_an_interrupted_run_keeps_its_last_step(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    def interrupt(record: TrainingRecord) -> None:
        if record.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_spec, tiny_dataset, 8, tmp_path, hooks=TrainingHooks(on_record=interrupt))
    resumed = train(tiny_spec, tiny_dataset, 8, tmp_path)
    assert resumed.resumed_from_step == 4
    assert same_weights(resumed.generator, train(tiny_spec, tiny_dataset, 8).generator)


def test_an_interrupt_within_a_step_is_not_saved(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def interrupted(*arguments: object) -> torch.Tensor:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments)  # type: ignore[arg-type]

    original = step_module._generator_objective
    monkeypatch.setattr(step_module, "_generator_objective", interrupted)
    every_step = TrainingIntervals(record_steps=1, checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_spec, tiny_dataset, 8, tmp_path, intervals=every_step)
    monkeypatch.undo()
    resumed = train(tiny_spec, tiny_dataset, 8, tmp_path)
    assert resumed.resumed_from_step == 4
    assert same_weights(resumed.generator, train(tiny_spec, tiny_dataset, 8).generator)


def test_a_finished_run_is_not_trained_again(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    first = train(tiny_spec, tiny_dataset, 3, tmp_path)
    again = train(tiny_spec, tiny_dataset, 3, tmp_path)
    assert again.resumed_from_step == again.steps == 3
    assert same_weights(first.generator, again.generator)


def test_a_shorter_training_goes_on_in_another_folder(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path
) -> None:
    other, short = tmp_path / "other", tmp_path / "short"
    train(tiny_spec, tiny_dataset, 5, other, seed=1)
    train(tiny_spec, tiny_dataset, 4, short)
    files = [folder / CHECKPOINT_NAME for folder in (other, short)]
    longer = train(tiny_spec, tiny_dataset, 7, tmp_path / "longer", earlier=files)
    assert (longer.resumed_from_step, longer.steps) == (4, 7)
    assert same_weights(longer.generator, train(tiny_spec, tiny_dataset, 7).generator)
    with pytest.raises(CheckpointError, match="larger budget"):
        train(tiny_spec, tiny_dataset, 3, earlier=files)
    with pytest.raises(CheckpointError, match="larger budget"):
        train_generator(
            tiny_spec, RECIPE, TrainingBudget(seconds=1e-9), tiny_dataset, seed=0, device=CPU, earlier=files
        )
    pruned = replace(RECIPE, weight_form=WeightForm(sparsity=0.5, pruning_at=(0.5,)))
    train(tiny_spec, tiny_dataset, 4, tmp_path / "pruned", recipe=pruned)
    anew = train(tiny_spec, tiny_dataset, 5, recipe=pruned, earlier=[tmp_path / "pruned" / CHECKPOINT_NAME])
    assert anew.resumed_from_step == 0


@pytest.mark.parametrize("change", ["seed", "recipe", "spec"])
def test_a_foreign_checkpoint_is_refused(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, change: str
) -> None:
    train(tiny_spec, tiny_dataset, 1, tmp_path)
    spec = replace(tiny_spec, activation="tanh") if change == "spec" else tiny_spec
    other: dict[str, object] = {"seed": {"seed": 1}, "recipe": {"recipe": replace(RECIPE, ema_decay=0.5)}}.get(
        change, {}
    )
    with pytest.raises(CheckpointError, match=f"{change} differ"):
        train(spec, tiny_dataset, 2, tmp_path, **other)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_refused(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, damage: bytes | None
) -> None:
    train(tiny_spec, tiny_dataset, 1, tmp_path)
    path = tmp_path / "checkpoint.pt"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(tiny_spec, tiny_dataset, 2, tmp_path)


def test_a_checkpoint_says_what_it_is_of(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path) -> None:
    train(tiny_spec, tiny_dataset, 1, tmp_path)
    path = tmp_path / "checkpoint.pt"
    assert checkpoint_identity(path)["spec"] == tiny_spec.digest
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="must be a training checkpoint"):
        checkpoint_identity(path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny_spec, tiny_dataset, 1, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="cannot be written: .*No space left.*make room"):
        train(tiny_spec, tiny_dataset, 2, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, decay_from=0.5)])
def test_a_training_that_pauses_ends_as_one_that_never_paused(
    tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset, tmp_path: Path, recipe: TrainingRecipe
) -> None:
    def run(folder: Path, until_images: int | None) -> TrainingResult:
        return train(tiny_spec, tiny_dataset, 6, folder, recipe=recipe, until_images=until_images)

    whole = run(tmp_path / "whole", None)
    paused = run(tmp_path / "parts", 2 * recipe.batch_size + 1)
    assert (paused.steps, paused.message) == (3, "paused before the budget ended")
    again = run(tmp_path / "parts", 2 * recipe.batch_size)
    assert (again.steps, again.resumed_from_step) == (3, 3)
    ended = run(tmp_path / "parts", None)
    assert (ended.steps, ended.message) == (6, "the budget ended")
    assert same_weights(whole.generator, ended.generator)
    with pytest.raises(SpecError, match="until_images must be positive; got 0"):
        run(tmp_path / "none", 0)


def test_a_diverging_run_ends_with_its_last_finite_step(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    recipe = replace(PUBLISHED, generator_learning_rate=1e30, discriminator_learning_rate=1e30)
    result = train(tiny_spec, tiny_dataset, 50, recipe=recipe)
    assert result.outcome is TrainingOutcome.DIVERGED
    assert result.steps == result.last_finite_step + 1 < 50
    assert "losses" in result.message


def test_a_budget_in_seconds_ends_training(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    result = train_generator(tiny_spec, RECIPE, TrainingBudget(seconds=0.5), tiny_dataset, seed=0, device=CPU)
    assert 0.5 <= result.seconds < 30
    assert result.steps >= 1


def test_the_dataset_must_fit_the_spec(tiny_spec: GeneratorSpec, tiny_dataset: ImageDataset) -> None:
    with pytest.raises(SpecError, match="num_classes must be the dataset's; got 3 for tiny with 2"):
        train(replace(tiny_spec, num_classes=3), tiny_dataset, 1)


def test_step_limits() -> None:
    assert TrainingBudget(images=100).step_limit(batch_size=64, train_images=1000) == 2
    assert TrainingBudget(steps=7, images=64).step_limit(batch_size=64, train_images=1000) == 1
    assert TrainingBudget(seconds=1).step_limit(batch_size=64, train_images=1000) is None
    assert published_budget().step_limit(batch_size=64, train_images=50_000) == 30 * 51
    assert published_budget(full=True).step_limit(batch_size=64, train_images=50_000) == 30 * 782


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainingBudget(), "needs steps, images, epochs or seconds"),
        (lambda: TrainingBudget(steps=0), "steps must be positive; got 0"),
        (lambda: TrainingRecipe(loss="other"), "loss must be one of"),
        (lambda: TrainingRecipe(batch_size=1), "batch_size must be at least 2"),
        (lambda: TrainingRecipe(generator_learning_rate=float("nan")), "must be positive and finite"),
        (lambda: TrainingRecipe(ema_decay=1.0), r"ema_decay must be in \[0, 1\)"),
        (lambda: TrainingRecipe(label_smoothing=0.1), "label_smoothing needs loss=bce"),
        (lambda: TrainingRecipe(discriminator="published"), "0 with the published discriminator"),
        (lambda: TrainingRecipe(augmentation=("blur",)), "augmentation must be of"),
        (lambda: TrainingIntervals(record_steps=0), "intervals must be positive"),
    ],
)
def test_illegal_records_say_why(make: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()  # type: ignore[operator]


def test_the_average_moves_by_its_decay() -> None:
    average, module = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for network, value in ((average, 0.0), (module, 1.0)):
        for parameter in network.parameters():
            torch.nn.init.constant_(parameter, value)
    update_average(average, module, decay=0.9, step=10**6)
    assert average.weight.item() == pytest.approx(0.1)
    update_average(average, module, decay=0.999, step=0)  # warm-up: a tenth of the old value is kept
    assert average.weight.item() == pytest.approx(0.1 * 0.1 + 0.9)
    update_average(average, module, decay=0.0, step=5)
    assert average.weight.item() == 1


def test_the_average_of_a_spectral_norm_is_one() -> None:
    """Singular vectors that turn have a short average, by which weights would be divided too little."""
    torch.manual_seed(0)
    module = spectral_norm(torch.nn.Linear(6, 6))
    average = copy.deepcopy(module).eval()
    for step in range(200):
        with torch.no_grad():
            module.parametrizations.weight.original.add_(torch.randn(6, 6) * 0.3)
            module.weight  # noqa: B018  # a power iteration
        update_average(average, module, decay=0.95, step=step)
    settle_spectral_norms(average, steps=20)
    assert float(torch.linalg.matrix_norm(average.weight.detach(), 2)) == pytest.approx(1.0, abs=0.02)
    assert not average.training
