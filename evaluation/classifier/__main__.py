"""``python -m evaluation.classifier dataset=...``: train or load the ZK classifier and the judge, and report both."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from atomic_files import write_bytes
from evaluation.classifier.cache import TrainedClassifier, load_or_train
from evaluation.classifier.folding import circuit_form
from evaluation.classifier.picture import write_confusion_png
from evaluation.classifier.training import TrainingProgress
from evaluation.types import DatasetLike
from search.building import build
from search.hydra_settings import guard
from search.problems import problem_in
from shipped_files import shipped_folder
from zk.export import export_onnx


def run(config: DictConfig, output_dir: Path) -> dict[str, Any]:
    """Load or train both networks, print the table and write ``report.json``, ``confusion.png``, ``classifier.onnx``.

    The ONNX file is the classifier without BatchNorm, for one image [1, 3, S, S] in [-1, 1], checked against torch.

    Args:
        config: see ``conf/classifier_app.yaml``.
        output_dir: made if missing.

    Returns:
        What ``report.json`` holds.
    """
    dataset: DatasetLike = build(config.dataset)
    classifier = _trained("classifier", config.classifier, dataset, config)
    judge = _trained("judge", config.judge, dataset, config)
    print(format_table(classifier, judge))
    module, example = circuit_form(classifier)
    exported = export_onnx(module, example, output_dir / "classifier.onnx", ("image",), ("logits",), tolerance=1e-3)
    facts = {
        "config": OmegaConf.to_container(config, resolve=True),
        "dataset_digest": dataset.digest,
        "torch": str(torch.__version__),
        "classifier": {"digest": classifier.digest, **classifier.report.to_dict()},
        "judge": {"digest": judge.digest, **judge.report.to_dict()},
        "onnx": {"digest": exported.digest, "bytes": exported.bytes, "max_abs_error": exported.max_abs_error},
    }
    write_bytes(output_dir / "report.json", json.dumps(facts, indent=2).encode())
    write_confusion_png(output_dir / "confusion.png", classifier.report.confusion, classifier.report.class_names)
    print(f"report.json, confusion.png and classifier.onnx (BatchNorm folded) are in {output_dir}")
    return facts


def format_table(classifier: TrainedClassifier, judge: TrainedClassifier) -> str:
    """Lay out both reports side by side, as lines of text."""
    left, right = classifier.report, judge.report
    rows: list[tuple[str, str, str]] = [
        ("", "classifier", "judge"),
        ("accuracy", f"{left.accuracy:.4f}", f"{right.accuracy:.4f}"),
        (
            "expected calibration error",
            f"{left.expected_calibration_error:.4f}",
            f"{right.expected_calibration_error:.4f}",
        ),
        (
            "Inception Score, real test set",
            f"{left.real_inception_score:.3f} +- {left.real_inception_score_std:.3f}",
            f"{right.real_inception_score:.3f} +- {right.real_inception_score_std:.3f}",
        ),
        ("parameters", f"{left.parameters:,}", f"{right.parameters:,}"),
        ("training seconds", f"{left.train_seconds:.1f}", f"{right.train_seconds:.1f}"),
        ("test images", str(left.test_images), str(right.test_images)),
    ]
    rows += [
        (f"accuracy on {name}", f"{ours:.4f}", f"{theirs:.4f}")
        for name, ours, theirs in zip(left.class_names, left.per_class_accuracy, right.per_class_accuracy, strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows)


def _trained(name: str, node: DictConfig, dataset: DatasetLike, config: DictConfig) -> TrainedClassifier:
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    spec = build(node.spec).for_dataset(dataset)
    recipe = build(node.recipe)

    def show(state: TrainingProgress) -> None:
        if sys.stderr.isatty():
            end = "\n" if state.step == state.total_steps else "\r"
            sys.stderr.write(
                f"{name}: epoch {state.epoch}/{state.epochs}, loss {state.loss:.3f}, "
                f"{state.images_per_second:.0f} images/s, {state.eta_seconds:.0f} s left   {end}"
            )

    return load_or_train(
        spec=spec,
        recipe=recipe,
        dataset=dataset,
        seed=config.seed,
        device=device,
        cache_dir=Path(config.cache_folder) / "classifiers",
        progress=show,
    )


CONFIG_FOLDER = str(shipped_folder("conf"))


@hydra.main(version_base=None, config_path=CONFIG_FOLDER, config_name="classifier_app")
def main(config: DictConfig) -> None:
    """Run the application, or print its resolved configuration with ``dry_run=true``."""
    if config.dry_run:
        print(OmegaConf.to_yaml(config, resolve=True), end="")
        return
    if problem := problem_in(lambda: run(config, Path(HydraConfig.get().runtime.output_dir))):
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    guard(config_folder=CONFIG_FOLDER, config_name="classifier_app")
    main()
