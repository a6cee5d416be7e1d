# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where the files of the model are that asks."""

from __future__ import annotations

import sys

from penstock.backends.model_code import version_dir_of

from .errors import TritonModelException


def get_model_dir() -> str:
    """The folder of the model's version; models of Python-based back ends have their files there.

    Asked by code of the model, or by what that calls. Raises TritonModelException for others.
    """
    frame = sys._getframe(1)
    while frame is not None:
        found = version_dir_of(str(frame.f_globals.get("__name__", "")))
        if found is not None:
            return str(found)
        frame = frame.f_back  # type: ignore[assignment]
    raise TritonModelException("get_model_dir is for the code of a model")
