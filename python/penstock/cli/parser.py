# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The argument parser of commands whose mistakes are one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from penstock.comparison.errors import ComparisonError


class OneLineParser(argparse.ArgumentParser):
    """Its description and epilog are shown as they are written; options are not abbreviated."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises ComparisonError, with where the options are explained."""
        raise ComparisonError(f"{message}; see {self.prog} --help")
