"""The floors: who may import whom, and where third parties may enter."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("gan", "zk", "evaluation", "search")
FLOORS = [
    {
        "search.__main__",
        "search.tiers.__main__",
        "search.reproduce.__main__",
        "search.released.__main__",
        "search.ship_guides",
    },
    {"search.configured", "search.reproduce.run"},
    {"search.reproduce.late"},
    {"search.reproduce.work"},
    {"search.reproduce.settings"},
    {"search.run"},
    {"search.compose"},
    {"search.finish", "search.page", "search.front", "search.compare", "search.layers.run", "search.tiers.page"},
    {"search.reproduce.rebuild"},
    {
        "search.session",
        "search.comparison_text",
        "search.layers.session",
        "search.tiers.alternatives",
        "search.tiers.collect",
        "search.tiers.limits",
    },
    {"search.finalists", "search.front_circuits", "search.study_run", "search.tables", "search.stored"},
    {"search.settings"},
    {"search.layers.cases", "search.layers.record", "search.layers.study"},
    {"search.observer", "search.proof_text", "search.report", "search.plots", "search.watching"},
    {"search.curve_filing", "search.filing"},
    {"search.engine", "search.tracking", "search.trial_rows"},
    {"search.drivers"},
    {"search.rungs", "search.twins", "search.warm_start"},
    {"search.study"},
    {"search.interrupted"},
    {"search.endings", "search.released.again"},
    {"search.proving", "search.released.measure", "search.released.write"},
    {"search.planned"},
    {"search.ray_engine"},
    {"search.engines"},
    {"search.ray_runner"},
    {"search.local_runner", "search.ray_cluster"},
    {"search.worker"},
    {"search.runner"},
    {"search.objective"},
]
SOLE_IMPORTERS = {
    "ezkl": {"zk.backend"},
    "mlflow": {"search.tracked", "search.tracking", "search.tracking_client"},
    "moocore": {"search.dominance"},
    "ray": {"search.ray_cluster"},
    "requests": {"search.tracking_client"},
    "sqlalchemy": {"search.passing", "search.storage", "search.stored", "search.tracked", "search.tracking_client"},
    "optuna": {
        "search.run",
        "search.session",
        "search.finalists",
        "search.front_circuits",
        "search.engine",
        "search.rungs",
        "search.twins",
        "search.warm_start",
        "search.endings",
        "search.interrupted",
        "search.study",
        "search.trial_rows",
        "search.drivers",
        "search.filing",
        "search.caching_storage",
        "search.patient_storage",
        "search.storage",
        "search.front",
        "search.stored",
        "search.compare",
        "search.samplers",
        "search.experimental",
        "search.layers.session",
        "search.layers.study",
        "search.study_run",
        "search.tiers.collect",
        "search.watching",
    },
    "hydra": {
        "search.building",
        "search.configured",
        "search.hydra_settings",
        "search.problems",
        "search.run",
        "search.several",
        "search.reproduce.settings",
        "evaluation.classifier.__main__",
    },
    "omegaconf": {
        "search.building",
        "search.compose",
        "search.configured",
        "search.hydra_settings",
        "search.problems",
        "search.run",
        "search.several",
        "search.layers.run",
        "search.reproduce.settings",
        "evaluation.classifier.__main__",
    },
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
COMPOSITION_ROOTS = {
    "evaluation.classifier.__main__",
    "zk.prove_model",
    "zk.verify_model",
}
"""Applications below ``search``: like :mod:`search.run` they may join packages that do not know each other."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(module: str) -> int:
    """Height above ground; modules that are not named stand at the bottom of their package."""
    for depth, names in enumerate(FLOORS):
        if module in names:
            return len(FLOORS) - depth
    return 0


@pytest.mark.parametrize("package", ["gan", "zk", "evaluation"])
def test_lower_packages_import_neither_each_other_nor_search(package: str) -> None:
    others = set(PACKAGES) - {package}
    found = {
        f"{name} imports {target}"
        for name, path in MODULES.items()
        if name.split(".")[0] == package and name not in COMPOSITION_ROOTS
        for target in imports(path)
        if target.split(".")[0] in others
    }
    assert found == set()


def test_search_imports_point_downward() -> None:
    found = {
        f"{name} imports {target}"
        for name, path in MODULES.items()
        if name.startswith("search.")
        for target in imports(path)
        if target in MODULES and target.startswith("search.") and 0 < floor(name) <= floor(target)
    }
    assert found == set()


def test_ground_floor_modules_import_no_upper_ones() -> None:
    found = {
        f"{name} imports {target}"
        for name, path in MODULES.items()
        if name.startswith("search.") and floor(name) == 0
        for target in imports(path)
        if target in MODULES and floor(target) > 0
    }
    assert found == set()


def test_every_named_floor_exists() -> None:
    assert {name for names in FLOORS for name in names} <= set(MODULES)


@pytest.mark.parametrize("library", SOLE_IMPORTERS)
def test_a_third_party_enters_at_named_places_only(library: str) -> None:
    found = {name for name, path in MODULES.items() if any(t.split(".")[0] == library for t in imports(path))}
    assert found == SOLE_IMPORTERS[library]


def test_nothing_imports_the_configuration() -> None:
    assert {name for name, path in MODULES.items() if any(t.split(".")[0] == "conf" for t in imports(path))} == set()


def test_training_never_sees_a_scoring_network() -> None:
    """No file of the training package names a classifier: none can reach a loss, a selection or an early stop."""
    training = [path for name, path in MODULES.items() if name.startswith("gan.")]
    assert training
    assert [str(path) for path in training if "classifier" in path.read_text(encoding="utf-8").lower()] == []


def test_files_stay_small() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 320} == {}


def test_functions_stay_short() -> None:
    """Lines of a function less its docstring; a long list of keyword arguments is what the longest ones are."""
    lengths = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1 - documented(node)
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    }
    assert len(lengths) > 1000
    assert {name: length for name, length in lengths.items() if length > 60} == {}


def documented(node: ast.FunctionDef) -> int:
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1 if ast.get_docstring(node) else 0
