# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python's garbage collector in a server: it stops everything that needs the GIL.

A collection of the oldest generation looks at every object that there is: with a thousand models
100 ms, and one scrape of the metrics in two brought one about. What a server has once it has
started stays, so it is set aside (`gc.freeze`), and collections look at what came later.
"""

from __future__ import annotations

import gc


def set_aside() -> None:
    """Everything that is alive now is no business of collections any more."""
    gc.collect()
    gc.freeze()


def collect_all() -> None:
    """A collection that looks at everything, for who knows of garbage in what was set aside."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
