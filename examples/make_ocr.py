# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Makes a model repository that reads text in images: examples/ocr with the networks of rapidocr.

    pip install rapidocr-onnxruntime
    python examples/make_ocr.py FOLDER
    penstock serve --model-repository FOLDER

The model `ocr` answers an image, UINT8 [height, width, 3] in the order blue, green, red, with its
lines of text. It is an ensemble: find the lines, turn them upright, read them.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import onnxruntime

SOURCE = Path(__file__).parent / "ocr"
NETWORKS = {
    "ocr_det": "ch_PP-OCRv4_det_infer.onnx",
    "ocr_cls": "ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "ocr_rec": "ch_PP-OCRv4_rec_infer.onnx",
}


def make_ocr(folder: Path) -> None:
    """Writes the repository. Exits when rapidocr is not installed."""
    spec = find_spec("rapidocr_onnxruntime")
    if spec is None or spec.origin is None:
        sys.exit("pip install rapidocr-onnxruntime")
    models = Path(spec.origin).parent / "models"
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    for name, file in NETWORKS.items():
        path = folder / name / "1" / "model.onnx"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(models / file, path)
    session = onnxruntime.InferenceSession(models / NETWORKS["ocr_rec"])
    characters = session.get_modelmeta().custom_metadata_map["character"]
    (folder / "ocr_text" / "1" / "characters.txt").write_text(characters, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_ocr.py FOLDER")
    make_ocr(Path(sys.argv[1]))
