# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What models may do to models (contract 5.1): `load_model`, `unload_model`, `is_model_ready`."""

from __future__ import annotations

from collections.abc import Mapping

from penstock._engine import Engine, parse_version
from penstock.errors import ServerError
from penstock.models.lifecycle import Lifecycle
from penstock.models.overrides import LoadParameter


class ServerModelControl:
    """`ModelControl` of the `model.py` API, over the life cycle of the server. Thread safe."""

    def __init__(self, engine: Engine, lifecycle: Lifecycle) -> None:
        self._engine = engine
        self._lifecycle = lifecycle

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        """REP-2: returns when it is loaded. Raises ServerError."""
        parameters: dict[str, LoadParameter] = dict(files)
        if config:
            parameters["config"] = config
        self._lifecycle.load(name, parameters)

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        """REP-3. Raises ServerError."""
        self._lifecycle.unload(name, unload_dependents=unload_dependents)

    def is_model_ready(self, name: str, version: str) -> bool:
        """Also of a model that nobody knows, so that a model may ask before it loads one.

        Raises InvalidArgError for what is no version.
        """
        number = parse_version(version)
        try:
            return not self._engine.find(name, number).problem
        except ServerError:
            return False
