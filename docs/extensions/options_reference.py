"""Sphinx extension: ``reference/options.md`` from the configurations, their comments and the builders' docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from search.building import BUILDERS

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
HYDRAS = ("defaults", "hydra")
LISTED = ("experiment",)
"""Groups whose files are whole studies: they are listed by what they are, not setting by setting."""

_ENTRY = re.compile(r"^    (\w+): ?(.*)$")


@dataclass(frozen=True)
class Option:
    """One setting: its dotted key, its type, its value as written, and what it means."""

    key: str
    kind: str
    value: str
    text: str


@dataclass(frozen=True)
class Parameter:
    """One argument of a builder."""

    name: str
    kind: str
    default: str
    text: str


def options_in(path: Path) -> list[Option]:
    """Return every leaf of a configuration file, in order.

    What a builder takes is explained by its docstring, everything else by the comment behind it or above it.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    root = yaml.compose("\n".join(lines))
    return list(_leaves(root, "", lines)) if isinstance(root, MappingNode) else []


def _leaves(node: MappingNode, prefix: str, lines: list[str]) -> Iterator[Option]:
    targets = [value.value for key, value in node.value if key.value == "_target_"]
    taken = {found.name: found for target in targets for found in parameters_of(target)[1]}
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if name in HYDRAS or key.value == "_target_":
            continue
        if isinstance(value, MappingNode) and value.value and not value.flow_style:
            yield from _leaves(value, f"{name}.", lines)
        else:
            known = taken.get(key.value)
            kind = _kind(value) if known is None else known.kind
            text = (known.text if known else "") or _comment(key.start_mark.line, lines)
            yield Option(name, kind, _written(value, lines), text)


def _kind(value: Node) -> str:
    if not isinstance(value, ScalarNode):
        return "list" if isinstance(value, SequenceNode) else "mapping"
    return {"null": "optional", "???": "required"}.get(value.value, value.tag.rpartition(":")[2])


def _written(value: Node, lines: list[str]) -> str:
    if isinstance(value, ScalarNode):
        return str(value.value) or "''"
    first, last = value.start_mark, value.end_mark
    if first.line == last.line:
        return lines[first.line][first.column : last.column]
    return "several"


def _comment(line: int, lines: list[str]) -> str:
    """Return the comment behind the key in ``line``, with its continuation, or the block right above."""
    behind = _behind(lines[line])
    words = [behind] if behind else []
    step = 1 if behind else -1
    place = line + step
    while 0 <= place < len(lines) and lines[place].lstrip().startswith("#"):
        words.insert(len(words) if behind else 0, lines[place].lstrip(" #"))
        place += step
    if behind and place < len(lines) and not _behind(lines[place]):
        return behind  # the lines between belong to the next key, which has no comment behind it
    return " ".join(words)


def _behind(line: str) -> str:
    found = re.match(r"^[^#]*[^#\s]\s+#\s*(.*)$", line)
    return found.group(1) if found else ""


def head_comment(path: Path) -> str:
    """Return the comment that a configuration file begins with, commands and package lines left out."""
    words = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("# ")
        if not text.startswith(("@package", "python -m")):
            words.append(text)
    return " ".join(words).rstrip(":")


def parameters_of(target: str) -> tuple[str, list[Parameter]]:
    """Return a builder's summary and its arguments, with types, defaults and what its docstring says of them."""
    builder = get_object(target)
    doc = inspect.getdoc(builder) or ""
    texts = described(doc)
    found = []
    for name, parameter in inspect.signature(builder).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        default = "required" if required else repr(parameter.default)
        found.append(Parameter(name, str(parameter.annotation), default, texts.get(name, "")))
    return doc.partition("\n\n")[0].replace("\n", " "), found


def described(doc: str) -> dict[str, str]:
    """Return what the sections Args and Attributes of a docstring say of each name."""
    texts: dict[str, str] = {}
    inside, name = False, ""
    for line in doc.splitlines():
        if re.match(r"^(Args|Attributes):$", line):
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and (entry := _ENTRY.match(line)):
            name = entry.group(1)
            texts[name] = entry.group(2)
        elif inside and name and line.strip():
            texts[name] += " " + line.strip()
    return texts


def options_page(conf: Path = CONF) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Options",
        "",
        "Made from `conf/` and the docstrings of what it builds. Each is a Hydra override: `study.trials=12`.",
        "Names end in their units (`_seconds`, `_bytes`, `_pixels`, `_bits`); shares and accuracies are in 0..1;",
        "other numbers are counts.",
        "",
        "## The main configuration",
        "",
        *_table("key", options_in(conf / "config.yaml")),
        "## Groups",
        "",
    ]
    for group in sorted(path for path in conf.rglob("*") if path.is_dir() and any(path.glob("*.yaml"))):
        name = str(group.relative_to(conf))
        lines += [f"### {name}", ""]
        if name.split("/")[0] in LISTED:
            lines += [f"- `{name}={path.stem}`: {_text(head_comment(path))}" for path in sorted(group.glob("*.yaml"))]
            lines.append("")
            continue
        for path in sorted(group.glob("*.yaml")):
            lines += [f"**`{name}={path.stem}`** {_text(head_comment(path))}", "", *_table("key", options_in(path))]
    lines += ["## What configurations build", ""]
    for target in sorted(BUILDERS):
        summary, parameters = parameters_of(target)
        rows = [Option(found.name, found.kind, found.default, found.text) for found in parameters]
        lines += [f"### {target}", "", _text(summary), "", *_table("argument", rows)]
    return "\n".join(lines)


def _table(first: str, rows: Sequence[Option]) -> list[str]:
    if not rows:
        return []
    return [
        f"| {first} | type | default | meaning |",
        "| --- | --- | --- | --- |",
        *(f"| `{row.key}` | `{_cell(row.kind)}` | `{_cell(row.value)}` | {_text(row.text)} |" for row in rows),
        "",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(text: str) -> str:
    """Give reStructuredText of docstrings as Markdown."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return text.replace("|", "\\|").replace("<", "&lt;")


def setup(app: Any) -> dict[str, bool]:
    """Write the page when a build begins."""
    target = Path(app.srcdir) / "reference" / "options.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(options_page(), encoding="utf-8")
    return {"parallel_read_safe": True}
