# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The API under the name that models import it by, for processes that a model spawns: this folder
is on their sys.path, as it is on the model's."""

import sys

from penstock.backends.python import pb_utils

sys.modules[__name__] = pb_utils
