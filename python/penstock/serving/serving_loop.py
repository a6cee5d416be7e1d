# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the thread of a Python instance does from its first batch to its last."""

from __future__ import annotations

import logging
from collections.abc import Callable

from penstock._engine import Batch, ModelVersion
from penstock.backends.interface import Instance
from penstock.errors import Code, ServerError
from penstock.serving.readiness import polled

_LOGGER = logging.getLogger(__name__)


def serve_batches(
    version: ModelVersion,
    index: int,
    instance: Instance,
    name: str,
    *,
    executed: Callable[[], None] = lambda: None,
    unready: Callable[[str], None] = lambda why: None,
) -> None:
    """Executes batches until the version is stopped, and finalizes the instance.

    `executed` is called with every batch, before it is answered; `unready`, on another thread, when
    the instance says that it is not ready, and why, or, with "", that it is again.
    """
    try:
        with polled(instance, name, unready):
            while (batch := version.next(index)) is not None:
                _execute(instance, batch, name)
                executed()
                version.complete(index, batch)
                del batch  # its tensors must not stay while the next one is waited for
    finally:
        finalize(instance, name)


def finalize(instance: Instance, name: str) -> None:
    """A failure is only logged."""
    try:
        instance.finalize()
    except BaseException:
        _LOGGER.exception("failed to finalize instance '%s'", name)


def _execute(instance: Instance, batch: Batch, name: str) -> None:
    """Runs a batch. Whatever a model raises fails its batch and nothing else."""
    try:
        instance.execute(batch)
    except ServerError as error:
        batch.fail_all(Code.INTERNAL, error.message)
    except BaseException as error:
        _LOGGER.debug("instance '%s' failed a batch", name, exc_info=error)
        batch.fail_all(
            Code.INTERNAL,
            f"Failed to process the request(s) for model '{name}', "
            f"message: {type(error).__name__}: {error}",
        )
