# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `tensorflow`: SavedModels and frozen graphs, on the CPU (contract 5.4, 3.2).

TensorFlow itself is imported when a model first needs it, by `graphs` and `session`.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from penstock.backends.framework import complete, is_complete, load_failure, match
from penstock.backends.framework.availability import not_installed, refuse_gpu
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import InvalidArgError, ServerError, UnavailableError
from penstock.garbage import collect_all

from .instance import TensorFlowInstance
from .options import session_options

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

    from .graphs import Graph
    from .session import GraphSession

GRAPHDEF_PLATFORM: Final = "tensorflow_graphdef"
SAVED_MODEL_FILENAME: Final = "model.savedmodel"
GRAPHDEF_FILENAME: Final = "model.graphdef"


class TensorFlowBackend:
    """Holds nothing: each model has a graph and sessions of its own."""

    def auto_complete(self, context: ModelContext) -> None:
        """Fills inputs, outputs and batching from the signature (3.2), unless all is said.

        A frozen graph has no signature. Raises ServerError with TensorFlow's words,
        InvalidArgError where the configuration and the model disagree.
        """
        if is_complete(context):
            return
        if _is_frozen_graph(context):
            _check_complete(context)
            return
        signature = _find_graph(context).signature
        complete(context, signature.inputs, signature.outputs)

    def load(self, context: ModelContext) -> LoadedTensorFlowModel:
        """Loads the graph and its variables. Raises as `auto_complete` does."""
        return LoadedTensorFlowModel(context, _find_graph(context))


class LoadedTensorFlowModel:
    """One loaded version; its instances share one session, or more (MAX_SESSION_SHARE_COUNT)."""

    def __init__(self, context: ModelContext, graph: Graph) -> None:
        self._context = context
        self._graph = graph
        self._share_count = session_options(context).share_count
        self._scalars = match(context, graph.signature.inputs, graph.signature.outputs)
        self._lock = threading.Lock()
        self._users = 0
        self._sessions = [self._open()]

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> TensorFlowInstance:
        """Raises UnsupportedError for a GPU."""
        refuse_gpu(TensorFlowInstance.framework, spec)
        return TensorFlowInstance(self._context, plan, self._scalars, self._next_session())

    def unload(self) -> None:
        """Closes the sessions. A graph's objects refer to each other: collect them."""
        for session in self._sessions:
            session.close()
        self._sessions.clear()
        collect_all()

    def _next_session(self) -> GraphSession:
        with self._lock:
            if not self._sessions:
                raise UnavailableError(f"model '{self._context.name}' has been unloaded")
            if self._share_count and self._users == self._share_count * len(self._sessions):
                self._sessions.append(self._open())
            self._users += 1
            return self._sessions[-1]

    def _open(self) -> GraphSession:
        try:
            return self._graph.open()
        except Exception as error:  # TensorFlow raises many kinds
            raise load_failure(self._context, error) from None


def _find_graph(context: ModelContext) -> Graph:
    """The graph with its signature; its variables are not loaded yet."""
    frozen = _is_frozen_graph(context)
    path = context.model_path(GRAPHDEF_FILENAME if frozen else SAVED_MODEL_FILENAME)
    if not (path.is_file() if frozen else path.is_dir()):
        raise UnavailableError(
            f"unable to find '{context.shown_path(path)}' for model '{context.name}'"
        )
    options = session_options(context)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # not what it says at every start
    try:
        from .graphs import FrozenGraph, SavedModel
    except ImportError as error:
        raise not_installed("TensorFlow", "tensorflow", error) from error
    try:
        return (FrozenGraph if frozen else SavedModel)(context, path, options)
    except ServerError:
        raise
    except Exception as error:  # of TensorFlow and of protobuf
        raise load_failure(context, error) from None


def _is_frozen_graph(context: ModelContext) -> bool:
    config = context.config
    return config.platform == GRAPHDEF_PLATFORM or (
        not config.platform and config.default_model_filename == GRAPHDEF_FILENAME
    )


def _check_complete(context: ModelContext) -> None:
    if not context.config.input or not context.config.output:
        raise InvalidArgError(
            f"unable to complete the configuration of model '{context.name}': a GraphDef does not "
            f"say what its inputs and outputs are, so they must be configured; a SavedModel does"
        )
