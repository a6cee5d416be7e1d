# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A server with models that are easy to overload."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "conformance"))
sys.path.insert(0, str(Path(__file__).parent.parent / "adversity"))

from model_repository import write_identity
from server_process import ServerProcess
from survive import MIB, Survivor

#: level 1 waits as long as it takes; the time-out of level 2 delays; level 3 is short and refuses
_LEVELS = """
dynamic_batching {
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy {
    timeout_action: DELAY default_timeout_microseconds: 20000 allow_timeout_override: true
  }
  priority_queue_policy { key: 1 value { max_queue_size: 0 } }
  priority_queue_policy {
    key: 3
    value {
      default_timeout_microseconds: 10000 allow_timeout_override: true max_queue_size: 100
    }
  }
}
"""
_ORDERED = """
dynamic_batching {
  preserve_ordering: true
  default_queue_policy { default_timeout_microseconds: 12000 allow_timeout_override: true }
}
instance_group { count: 2 }
"""


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    """The survival contract is checked behind the tests: slots, leases, descriptors, memory."""
    root = tmp_path_factory.mktemp("models")
    write_identity(root, "labelled", dims="4", max_batch_size=4)  # what Survivor asks
    write_identity(root, "levels", max_batch_size=32, delay_ms=1, extra=_LEVELS)
    write_identity(root, "ordered", max_batch_size=16, delay_ms=1, extra=_ORDERED)
    write_identity(root, "plain")
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(root, log, "--debug-endpoints=true") as server:
        survivor = Survivor(server)
        yield survivor
        survivor.check(max_growth_bytes=32 * MIB)
