"""Trained generators that others learn or begin from."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from gan.generators import build_generator
from gan.spec import GeneratorSpec
from gan.training import Start
from search.building import build
from search.candidate import Candidate
from search.errors import ConfigError
from search.space import SearchSpace, build_fixed_space
from search.teacher import check_start_of, load_start
from tests.pages import HOWTO
from tests.test_config import composed

ROOT = Path(__file__).resolve().parents[2]


def space_of(spec: GeneratorSpec) -> SearchSpace:
    return build_fixed_space({"family": spec.family, "latent_dim": spec.latent_dim, "conditioning": spec.conditioning,
                              "widths": list(spec.widths)})  # fmt: skip


def test_a_start_of_another_shape_is_refused_before_anything_is_trained(
    tiny_candidate: Candidate, space: SearchSpace
) -> None:
    spec = tiny_candidate.spec
    sizes = {"num_classes": spec.num_classes, "image_size": spec.image_size}
    start = Start(spec, build_generator(spec), "given")
    wider = replace(spec, widths=(2 * spec.widths[0],))
    check_start_of(space_of(spec), start, **sizes)
    check_start_of(space_of(wider), start, **sizes)
    check_start_of(space_of(wider), None, **sizes)
    check_start_of(space, start, **sizes)  # of several: each trial finds out
    with pytest.raises(ConfigError, match=r"training\.start does not fit the search space: .* widths \[4\]"):
        check_start_of(space_of(spec), Start(wider, build_generator(wider), "wider"), **sizes)


def test_what_the_how_to_page_begins_from_fits() -> None:
    page = HOWTO.read_text(encoding="utf-8").replace("\\\n", "")
    found = re.findall(r"^python -m search (.*training\.start=models/.*)$", page, re.MULTILINE)
    assert found
    for line in found:
        config = composed(*shlex.split(line))
        start = load_start(ROOT / config.training.start, discriminator=config.training.start_discriminator)
        check_start_of(build(config.search_space, _convert_="all"), start, num_classes=10, image_size=32)
