"""Optuna samplers by explicit builder, each taking the study's seed."""

from __future__ import annotations

import optuna
from optuna.samplers import BaseSampler, BruteForceSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from search.experimental import experimental_allowed


def go_on(study: optuna.Study, *, drivers: int) -> None:
    """Give the sampler of ``study`` another seed, unless this is the first of its ``drivers`` and nothing was drawn.

    Samplers keep no random state with the study: one that began anew with the same seed would draw again what has been
    drawn, and two drivers would draw alike.
    """
    drawn = any(trial.state is not TrialState.WAITING for trial in study.get_trials(deepcopy=False))
    if drawn or drivers > 1:
        study.sampler.reseed_rng()


def nsga2(*, seed: int, population_size: int = 12) -> BaseSampler:
    """Build NSGA-II (Deb et al. 2002).

    Args:
        seed: of its draws.
        population_size: candidates of a generation; as many are drawn at random first.
    """
    return NSGAIISampler(seed=seed, population_size=population_size)


def tpe(*, seed: int, startup_trials: int = 10) -> BaseSampler:
    """Build the multi-objective tree-structured Parzen estimator (Ozaki et al. 2022).

    Univariate: with conditional families the multivariate form falls back to random draws for most parameters.

    Args:
        seed: of its draws.
        startup_trials: candidates drawn at random first.
    """
    return TPESampler(seed=seed, n_startup_trials=startup_trials)


def random(*, seed: int) -> BaseSampler:
    """Build the uniform random sampler.

    Args:
        seed: of its draws.
    """
    return RandomSampler(seed=seed)


def grid(*, seed: int) -> BaseSampler:
    """Build the exhaustive sampler, in an order shuffled by ``seed``.

    Optuna's brute-force sampler rather than its grid: it follows dimensions that exist only for one family, which a
    fixed grid would repeat for every other family. Ranges of real numbers are refused by it.

    Args:
        seed: of the order.
    """
    with experimental_allowed():
        return BruteForceSampler(seed=seed)
