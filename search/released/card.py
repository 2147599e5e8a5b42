"""The card of a model that comes with the project: what it is, what it scores, and how it is used, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.circuit import INPUT_NAMES
from search.released.facts import BEGUN_FROM, ROUNDED
from search.released.model import CHECK_SAMPLES, ReleasedModel
from search.released.record import record_row
from zk.benchmark.report.text import NOTHING, gib, listed, number, percent, table

CARD_NAME = "README.md"


_DATA = """\
The training images were CIFAR-10's, from a copy that is JPEG-coded, with all that this set has and lacks: ten classes,
small pictures, unknown licences of single photographs. No test was made whether single training images can be got
back."""
_SAYS = """\
A proof says that the weights behind the digest below made this image of this class from some latent (private) or from
the given one (public). It does not say that the image looks like its class: the classifier's answer is another circuit
(`chain=true`). The reference string that comes with tests and examples is drawn locally; who draws it can forge."""
_SCORED = """\
{samples} images in {arithmetic} arithmetic, seed {seed}; real ones are as many of the test set, and training images
where a distance to the test set is meant. Classifier `{classifier}`, judge `{judge}`: no training saw either, but its
settings were chosen by scores like these."""


def card_text(model: ReleasedModel) -> str:
    """Return the card of ``model``; all of it follows from the files in the model's folder."""
    row, (latent, classes), spec = record_row(model), INPUT_NAMES, model.spec
    what = [
        ("generator", f"{spec.family}, widths {'-'.join(map(str, spec.widths))}, {spec.activation}"),
        ("conditioned by", spec.conditioning),
        ("parameters", number(row["parameters"])),
        ("multiply-accumulates", number(row["macs"])),
        ("operations by the published rule", number(row["ops_rule"])),
        ("training", _training_line(model.training)),
    ]
    digests = [(f"network of the {kind}", digest) for kind, digest in model.network_sha256.items()]
    parts = [
        f"# Model card: {model.name}",
        f"A conditional generator of {spec.image_size}x{spec.image_size} images, and the circuits that prove where an\n"
        f"image came from. Inputs: `{latent}`, {spec.latent_dim} numbers, and `{classes}`, the class, one of\n"
        f"{listed(model.class_names)}.",
        _commands(model),
        "## What it is",
        "\n".join(table(("what", "value"), what)),
        _DATA,
        "## Scores",
        _scores(row, model.scores),
        "## Proof of one image",
        _proof(row, model.proof),
        _SAYS,
        "## Digests",
        "\n".join(table(("what", "SHA-256"), [*digests, ("classifier behind it", model.classifier_digest)])),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _commands(model: ReleasedModel) -> str:
    name, label = model.name, model.class_names[-1]
    return "\n".join(
        [
            "```sh",
            f"python -m search.released check model={name}  # scores of {CHECK_SAMPLES:,} images again, without data",
            f"python -m zk.prove model={name} label={label} seed=7  # image, proof and bundle",
            f"python -m zk.verify BUNDLE model={name} srs=test-only  # whoever got the bundle",
            "```",
        ]
    )


def _training_line(training: Mapping[str, Any]) -> str:
    """Say how long, with which seed and by what kind of recipe."""
    budget, recipe = training.get("budget") or {}, training.get("recipe") or {}
    if not budget:
        return NOTHING
    limits = ", ".join(f"{number(value)} {name}" for name, value in budget.items() if value is not None)
    guided = "with" if recipe.get("guide") else "without"
    found = f"{limits}, {guided} a guide, seed {training.get('seed')}; the recipe is in model.json"
    if training.get(ROUNDED):
        found += f"; then its weights were rounded to {training[ROUNDED]}"
    before = training.get(BEGUN_FROM)
    return found if before is None else f"{found}. It began from another's weights: {_training_line(before)}"


def _scores(row: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    if row["accuracy"] is None:
        return "Not scored."
    lines = [
        ("images of the class asked for", percent, "accuracy"),
        ("the same, by the judge", percent, "judge_accuracy"),
        ("Inception Score under the classifier", number, "inception_score"),
        ("diversity within a class", number, "diversity"),
        ("Frechet distance, classifier's features", number, "frechet"),
        ("Frechet distance, judge's features", number, "judge_frechet"),
        ("accuracy of a classifier trained on the images (CAS)", percent, "cas"),
    ]
    refused = scores.get("refused_share")
    known = [(name, text(row[key]), text(row[f"real_{key}"])) for name, text, key in lines if row.get(key) is not None]
    on = _SCORED.format(
        samples=number(row["samples"]),
        arithmetic=scores.get("arithmetic"),
        seed=scores.get("seed"),
        classifier=str(scores.get("classifier_digest"))[:12],
        judge=str(scores.get("judge_digest"))[:12],
    )
    if refused is not None:
        known.append(("images that the circuit cannot prove", percent(float(refused)), NOTHING))
    return "\n".join([on, "", *table(("score", "this model", "real images"), known)])


def _proof(row: Mapping[str, Any], proof: Mapping[str, Any]) -> str:
    if row["prove_seconds"] is None:
        return "Not measured."
    figures = [
        ("making the keys", f"{number(proof['setup_seconds'])} s"),
        ("proving", f"{number(row['prove_seconds'])} s"),
        ("EZKL's check of the proof", f"{number(row['verify_seconds'])} s"),
        ("peak memory of a stage", f"{gib(row['peak_rss_bytes'])} GiB"),
        ("rows", f"{number(row['rows'])} (2^{row['logrows']})"),
        ("einsum entries", number(row["einsum_instances"])),
        ("proof", f"{number(row['proof_bytes'])} bytes"),
        ("bundle, with key and public values", f"{number(row['bundle_bytes'])} bytes"),
        ("wiring", str(row["wiring"])),
    ]
    on = f"Measured on {proof.get('processor')}, {proof.get('cores')} cores, EZKL {proof.get('ezkl')}."
    return "\n".join([on, "", *table(("what", "value"), figures)])
