# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Names and messages of the `model.py` API: `str`, or `bytes` as string tensors have them."""

from __future__ import annotations

Text = str | bytes


def text_of(text: Text, what: str) -> str:
    """The str; of bytes what UTF-8 makes of them, as Triton's binding takes both.

    Raises TypeError naming `what` for anything else, UnicodeDecodeError for bytes that are no text.
    """
    if isinstance(text, str):
        return text
    if isinstance(text, bytes):
        return text.decode()
    raise TypeError(f"{what} must be a str, found {type(text)}")
