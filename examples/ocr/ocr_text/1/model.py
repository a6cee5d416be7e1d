# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reads the characters out of the recogniser's scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from rapidocr_onnxruntime.ch_ppocr_rec.utils import CTCLabelDecode
from rapidocr_onnxruntime.main import DEFAULT_CFG_PATH
from rapidocr_onnxruntime.utils import read_yaml


class TritonPythonModel:
    """SCORES, BOXES -> TEXT, CONFIDENCE, PLACES: of the lines that are read well enough."""

    def initialize(self, args: dict[str, str]) -> None:
        """characters.txt: one a line, as the network counts them."""
        characters = Path(__file__).with_name("characters.txt").read_text("utf-8").splitlines()
        self.decode = CTCLabelDecode(character=characters)
        self.threshold = read_yaml(DEFAULT_CFG_PATH)["Global"]["text_score"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """In the order of the boxes; a line without a box is none."""
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        boxes = inputs["BOXES"]
        read = self.decode(inputs["SCORES"])[: len(boxes)]
        kept = [place for place, (_, score) in enumerate(read) if score >= self.threshold]
        text = np.array([read[place][0].encode() for place in kept], object)
        confidence = np.array([read[place][1] for place in kept], np.float32)
        outputs = (("TEXT", text), ("CONFIDENCE", confidence), ("PLACES", boxes[kept]))
        return pb_utils.InferenceResponse([pb_utils.Tensor(*output) for output in outputs])
