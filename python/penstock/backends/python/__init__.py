# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `python`: runs `model.py` files written for Triton, in the server's process."""

from .backend import PythonBackend

__all__ = ["PythonBackend"]
