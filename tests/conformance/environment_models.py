# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python models with execution environments, and a package whose versions do not go together.

Nothing of it needs the network: wheels are written by hand.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

#: Says which `conflicted` it has, where Python and numpy are, and its own folder. X[0] == -1: it
#: ends its process.
_SOURCE = """
import os
import sys

import conflicted
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_INT32", "dims": [1]})
        config.add_output({"name": "SAID", "data_type": "TYPE_STRING", "dims": [5]})
        config.set_max_batch_size(0)
        return config

    def execute(self, requests):
        responses = []
        for request in requests:
            if pb_utils.get_input_tensor_by_name(request, "X").as_numpy()[0] == -1:
                os._exit(3)
            folders = pb_utils.get_model_dir(), os.environ.get("VIRTUAL_ENV", "")
            said = [conflicted.VERSION, sys.prefix, np.__file__, *folders]
            tensor = pb_utils.Tensor("SAID", np.array(said, object))
            responses.append(pb_utils.InferenceResponse([tensor]))
        return responses
"""
_PARAMETER = 'parameters {{ key: "{}" value {{ string_value: "{}" }} }}'


def write_model(root: Path, name: str, environment: str, **parameters: str) -> Path:
    """Its folder; inputs and outputs are the model's to say, in its own environment."""
    folder = root / name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(_SOURCE)
    parameters["EXECUTION_ENV_PATH"] = environment
    lines = [_PARAMETER.format(key, value) for key, value in parameters.items()]
    (folder / "config.pbtxt").write_text("\n".join(['backend: "python"', *lines]))
    return folder


def write_wheel(folder: Path, version: str) -> None:
    """A wheel of `conflicted`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"conflicted-{version}.dist-info"
    files = {
        "conflicted.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: conflicted\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"conflicted-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


def requirements(wheels: Path | str, version: str) -> str:
    """The text of a requirements.txt."""
    return f"--no-index\n--find-links {wheels}\nconflicted=={version}\n"


def write_environment(folder: Path, version: str) -> None:
    """A venv that may be moved, with `conflicted` in it and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--copies", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "conflicted.py").write_text(f"VERSION = '{version}'\n")


def pack(folder: Path, archive: Path) -> None:
    """As conda-pack does: the folder's contents."""
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, ".")
