"""How a report was made: the settings, the seeds, the versions, and the space as it stands."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from pitprop.space.sampling import Method
from pitprop.views.report.document import Block, Code, Fold, Section, Spans, Table, Text, code, plain
from pitprop.views.report.material import Material

PACKAGES = ("pitprop", "optuna", "torch", "numpy")


def section(m: Material) -> Section:
    text = m.words.text
    table = Table((text("head what"), text("head value")), tuple((plain(name), value) for name, value in _settings(m)))
    blocks: list[Block] = [Text(m.words.say("made"), "note"), table]
    blocks.append(Fold(m.words.say("yaml"), (Code(m.space.text.strip()),)))
    return Section("making", text("making"), tuple(blocks))


def _settings(m: Material) -> Iterator[tuple[str, Spans]]:
    text, say, space = m.words.text, m.words.say, m.space
    yield text("budget"), say("budget value", epochs=say("epochs", n=space.epochs), trials=say("trials", n=m.summary.target))
    yield text("seeds"), say("seeds value", n=space.seeds, seed=space.seed)
    if m.confirmation is not None:
        yield text("confirm seeds"), plain(", ".join(map(str, m.confirmation.seeds)))
    yield text("sampler"), _method(space.sampler)
    if space.pruner is not None:
        yield text("pruner"), _method(space.pruner)
    yield text("versions"), m.words.listed(plain(one) for one in _versions())


def _method(method: Method) -> Spans:
    options = ", ".join(f"{name}={value}" for name, value in method.options.items())
    return (code(f"{method.name}({options})" if options else method.name),)


def _versions() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
