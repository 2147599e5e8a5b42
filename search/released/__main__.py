"""``python -m search.released``: make a trained generator a model of the project, score it, score it again."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from atomic_files import write_text
from evaluation.classifier import load_shipped
from search.configured import Configured, configured
from search.errors import ConfigError
from search.finalists import cas_conditions
from search.options import Options, parse_options
from search.pictures import GRID_COLUMNS
from search.problems import problem_in
from search.released.again import TOLERANCE, again_lines, score_again
from search.released.measure import CasPlan, cas_of, circuit_images, scores_with_data
from search.released.model import MODELS, read_released, released_names
from search.released.pictures import save_beside_real, save_front
from search.released.prove import prove_released
from search.released.record import proof_figures, record_row, record_table
from search.released.request import read_proof_request
from search.released.training import training_facts
from search.released.write import file_facts, write_released
from search.reproduce.request import tolerance_of
from search.session import train_judges
from search.tiers.files import read_rows
from search.tiers.row import TierRow
from search.weights import load_generator
from zk.machine import this_machine
from zk.types import Budget

LIMITS = Budget(8 * 10**9, 3600)
TIERS = "docs/results/tiers.json"
HELP = """\
Models that come with the project: {models}.

  python -m search.released check model=NAME [tolerance=X]
      Compute the first 2,000 images by the circuit, score them with the networks that come with the project, and
      compare with what was recorded of these: accuracy, judge accuracy, Inception Score, diversity. Needs no data. Exit
      status 0 if all are within X, times the recorded figure where that is above 1; default {tolerance}.

  python -m search.released write model=NAME folder=TRIAL dataset=cifar10_parquet dataset.root=FOLDER [OVERRIDES]
      Plan the circuits of a trial's generator, alone and with the classifier behind it, and write models/NAME. After
      training.start, earlier=FOLDER must name what that named, a trial's folder or a model's; a trial that began from
      another one itself needs that one's, too, behind it. half=true rounds the weights to half precision first.

  python -m search.released score model=NAME [samples=10000] dataset=cifar10_parquet dataset.root=FOLDER [OVERRIDES]
      Score its circuit's images beside as many real ones; scores.cas_images of them (default: as many as the training
      set has) train a classifier. The figures go to models/NAME/model.json.

  python -m search.released prove model=NAME label=CLASS [seed=N] [chain=true]
      Prove an image as python -m zk.prove does, in a folder that is then left, and file the proof's figures.

  python -m search.released picture model=NAME out=FILE.png dataset=cifar10_parquet dataset.root=FOLDER [OVERRIDES]
      Eight images of each class by its circuit, the first ones of its check, beside real ones.

  python -m search.released table [out=FILE.json] [front=FILE.png] [tiers=docs/results/tiers.json]
      All models: scores beside the real data's, and what a proof takes; front= draws where they stand among the
      published generators and those that python -m search.tiers filed.

OVERRIDES are those of python -m search: budgets.proving.memory_bytes bounds the planned circuits, for example.
"""
_OWN = ("model", "folder", "earlier", "samples", "tolerance", "out", "front", "tiers", "half")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the first argument says; gives the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or any(argument in ("-h", "--help") for argument in given):
        print(HELP.format(tolerance=TOLERANCE, models=", ".join(released_names()) or "none"), end="")
        return 0 if given else 2
    actions: dict[str, Callable[[Options, list[str]], bool]] = {
        "check": _check,
        "write": _write,
        "score": _score,
        "prove": _prove,
        "picture": _picture,
        "table": _table,
    }
    held = [False]

    def work() -> None:
        if given[0] not in actions:
            raise ConfigError(f"the first word must be {', '.join(actions)}; got {given[0]!r} (--help explains them)")
        own = [word for word in given[1:] if word.partition("=")[0] in _OWN]
        options = parse_options(own, single=[name for name in _OWN if name != "earlier"], repeated=["earlier"])
        if options.one("model") is None and given[0] != "table":
            raise ConfigError("model=NAME must be given")
        held[0] = actions[given[0]](options, [word for word in given[1:] if word not in own])

    if problem := problem_in(work):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0 if held[0] else 1


def _take_only(options: Options, names: Collection[str], overrides: Sequence[str] = ()) -> None:
    """Refuse options of other actions."""
    if others := [*(name for name in options.values if name not in names), *overrides]:
        raise ConfigError(f"this takes {', '.join(f'{name}=' for name in names)} only; got {others[0]}")


def _check(options: Options, overrides: list[str]) -> bool:
    _take_only(options, ("model", "tolerance"), overrides)
    model = read_released(str(options.one("model")))
    tolerance = tolerance_of(options)
    found = score_again(model, tolerance=TOLERANCE if tolerance is None else tolerance, budget=LIMITS)
    print("\n".join(again_lines(found)))
    return all(comparison.holds for comparison in found)


def _write(options: Options, overrides: list[str]) -> bool:
    _take_only(options, ("model", "folder", "earlier", "half"))
    if (given := options.one("folder")) is None or not (folder := Path(given)).is_dir():
        raise ConfigError(f"folder=TRIAL must be a candidate's folder below mlruns/studies; got {given}")
    half = options.flag("half")
    training = training_facts(folder, [Path(name) for name in options.many("earlier")])
    session = _session(overrides)
    settings, dataset = session.settings, session.dataset
    spec, generator = load_generator(folder)
    classifier = load_shipped(train_judges(settings, dataset).classifier.digest)  # one that all machines have
    model = write_released(
        str(options.one("model")),
        spec,
        generator,
        class_names=dataset.class_names,
        classifier=classifier,
        planning=settings.proving.planning,
        root=MODELS,
        training=training,
        half=half,
    )
    print(f"{model.folder}: " + "; ".join(f"{kind} {layout}" for kind, layout in model.layouts.items()))
    return True


def _score(options: Options, overrides: list[str]) -> bool:
    _take_only(options, ("model", "samples"))
    session = _session(overrides)
    settings, dataset = session.settings, session.dataset
    model = read_released(str(options.one("model")))
    samples, seed, cache = options.count("samples") or 10_000, settings.evaluation.seed, settings.cache_folder
    judges = train_judges(settings, dataset)
    for network in (judges.classifier, judges.judge):
        load_shipped(network.digest)  # what others check with
    if dataset.class_names != model.class_names:
        raise ConfigError(f"dataset must have the classes {', '.join(model.class_names)}; {dataset.name} has others")
    wanted, recipe = cas_conditions(settings, dataset)
    images, refused = circuit_images(model, samples=max(samples, wanted), seed=seed, budget=LIMITS)
    scores = scores_with_data(
        images[:samples],
        dataset=dataset,
        classifier=judges.classifier,
        judge=judges.judge,
        seed=seed,
        cache=cache / "classifiers",
    )
    scores["refused_share"] = refused
    if wanted:
        plan = CasPlan(settings.classifier[0].for_dataset(dataset), recipe, wanted)
        scores |= cas_of(
            images,
            plan,
            dataset=dataset,
            seed=settings.classifier_seed,
            device=settings.device,
            cache=cache / "classifiers",
        )
    file_facts(model, scores=scores)
    print("\n".join(f"{name:<32} {value}" for name, value in scores.items() if not isinstance(value, dict)))
    return True


def _prove(options: Options, overrides: list[str]) -> bool:
    _take_only(options, ("model",))
    with tempfile.TemporaryDirectory(prefix="prove-model-") as folder:
        request = read_proof_request([f"model={options.one('model')}", f"out={folder}/proof", *overrides])
        proof = prove_released(request, print)
    figures = proof_figures(proof, this_machine())
    print("\n".join(f"{name:<32} {value}" for name, value in figures.items()))
    if proof.run.counts_as_proved and not request.chain and request.private_latent and request.threads is None:
        file_facts(read_released(request.model), proof=figures)
    else:
        print("not filed: the model's own figures are of a proof that counts, of an image, private latent, all threads")
    return proof.run.counts_as_proved


def _picture(options: Options, overrides: list[str]) -> bool:
    _take_only(options, ("model", "out"))
    if (out := options.one("out")) is None:
        raise ConfigError("out=FILE.png must be given")
    model, test = read_released(str(options.one("model"))), _session(overrides).dataset.test
    images, _ = circuit_images(model, samples=GRID_COLUMNS * model.spec.num_classes, seed=0, budget=LIMITS)
    save_beside_real(images, test.images, test.labels, model.class_names, Path(out), seed=0)
    return True


def _table(options: Options, overrides: list[str]) -> bool:
    _take_only(options, ("out", "front", "tiers"), overrides)
    rows = [record_row(read_released(name)) for name in released_names()]
    print("\n".join(record_table(rows)))
    if (out := options.one("out")) is not None:
        write_text(Path(out), json.dumps({"models": rows}, indent=2) + "\n")
    if (picture := options.one("front")) is not None:
        filed = read_rows(Path(options.one("tiers") or TIERS), {"id", "regime"}, "python -m search.tiers report")
        save_front(rows, [TierRow.from_json(row) for row in filed], Path(picture))
    return True


def _session(overrides: list[str]) -> Configured:
    """Build what the configuration of a search with checked circuits says."""
    return configured(["circuit=checked", *overrides], Path("mlruns/released"))


if __name__ == "__main__":
    sys.exit(main())
