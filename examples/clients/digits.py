# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the four clients share: the digits test set, and the verdict on the server's answers."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SPLIT = Path(__file__).resolve().parent.parent / "models" / "digits" / "test_split.json"
BATCH_SIZE = 16


@dataclass(frozen=True)
class TestSet:
    """images: FP32 [450, 64] in 0..16; labels: [450]; accuracy: scikit-learn's own on them."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    accuracy: float

    def batches(self) -> list[npt.NDArray[np.float32]]:
        """The images in requests of at most BATCH_SIZE."""
        return [self.images[i : i + BATCH_SIZE] for i in range(0, len(self.images), BATCH_SIZE)]


def load_test_set() -> TestSet:
    """The split that examples/make_models.py held back from training."""
    if not SPLIT.exists():
        sys.exit(f"{SPLIT} is missing: run examples/make_models.py (or make models) first")
    split = json.loads(SPLIT.read_text())
    return TestSet(
        np.array(split["images"], dtype=np.float32), np.array(split["labels"]), split["accuracy"]
    )


def server_address(default: str) -> str:
    """The command line's --url: host:port of the server."""
    parser = argparse.ArgumentParser(description="Classify the digits test set.")
    parser.add_argument("--url", default=default, help="host:port (default: %(default)s)")
    return str(parser.parse_args().url)


def report(test_set: TestSet, probabilities: list[npt.NDArray[np.float32]]) -> None:
    """Prints the accuracy; exits with status 1 when it is not scikit-learn's."""
    accuracy = float(np.mean(np.concatenate(probabilities).argmax(axis=1) == test_set.labels))
    print(f"accuracy {accuracy:.4f} on {len(test_set.labels)} images")
    print(f"scikit-learn {test_set.accuracy:.4f}")
    if accuracy != test_set.accuracy:
        sys.exit("the two differ")
