# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Names of the tensors inside the nested arguments and results of `torch.export` (contract 5.3).

Every leaf has three names: `<name>__<index>` by its place, a path (`ARGS[0][key]`,
`KWARGS[name]`, `RESULT[0]`), and one of the model's own where it has one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from torch.utils import _pytree as pytree

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError

_INDEXED: Final = re.compile(r".+__(\d{1,4})")


class Leaves:
    """The leaves of one side of a model, in their order."""

    def __init__(self, kind: str, paths: Sequence[str], own_names: Sequence[str]) -> None:
        """`kind`: input or output. `own_names`: one a leaf, or none."""
        self.kind = kind
        self.names = own_names or paths
        self._places = {path: place for place, path in enumerate(paths)}
        self._places |= {name: place for place, name in enumerate(own_names)}

    def __len__(self) -> int:
        return len(self.names)

    def places(self, context: ModelContext, names: Sequence[str]) -> dict[str, int]:
        """The leaf of each configured name. Raises InvalidArgError naming what there is."""
        places = {name: self._place(context, name) for name in names}
        if len(set(places.values())) < len(places):
            raise InvalidArgError(
                f"failed to load model '{context.name}': two {self.kind}s of the configuration "
                f"name the same tensor"
            )
        return places

    def _place(self, context: ModelContext, name: str) -> int:
        if name in self._places:
            return self._places[name]
        indexed = _INDEXED.fullmatch(name)
        if indexed and int(indexed[1]) < len(self):
            return int(indexed[1])
        raise InvalidArgError(
            f"failed to load model '{context.name}': version {context.version}: unexpected "
            f"inference {self.kind} '{name}', allowed {self.kind}s are: {', '.join(self.names)}"
        )


def input_paths(spec: pytree.TreeSpec) -> list[str]:
    """Of (args, kwargs)."""
    args, kwargs = spec.children()
    return [*_paths(args, "ARGS"), *_paths(kwargs, "KWARGS")]


def output_paths(spec: pytree.TreeSpec) -> list[str]:
    """Of what is returned."""
    return _paths(spec, "RESULT")


def _paths(spec: pytree.TreeSpec, prefix: str) -> list[str]:
    if spec.is_leaf():
        return [prefix]
    keys: Sequence[Any] = range(len(spec.children()))
    if spec.type in (dict, OrderedDict):
        keys = spec.context
    return [
        path
        for key, child in zip(keys, spec.children(), strict=True)
        for path in _paths(child, f"{prefix}[{key}]")
    ]
