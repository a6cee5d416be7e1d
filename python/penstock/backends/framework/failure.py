# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A framework's own words, as a client and the log may see them."""

from __future__ import annotations

from typing import Final

from penstock.backends.interface import ModelContext
from penstock.errors import InternalError

_MAX_TEXT: Final = 4096


def own_words(error: BaseException, context: ModelContext) -> str:
    """The exception's text, bounded, with paths shown from the model repository on."""
    words = str(error).strip() or type(error).__name__
    words = words.replace(f"{context.model_dir.parent}/", "")
    return f"{words[:_MAX_TEXT]}..." if len(words) > _MAX_TEXT else words


def load_failure(context: ModelContext, error: BaseException | str) -> InternalError:
    """The error of a version that its framework cannot load (contract 5.3)."""
    words = error if isinstance(error, str) else own_words(error, context)
    return InternalError(
        f"failed to load model '{context.name}': version {context.version}: {words}"
    )
