# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Brings an image to the sizes that the detector takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from rapidocr_onnxruntime.ch_ppocr_det.text_detect import TextDetector
from rapidocr_onnxruntime.main import DEFAULT_CFG_PATH, RapidOCR
from rapidocr_onnxruntime.utils import read_yaml


class TritonPythonModel:
    """IMAGE -> WORK, PLACE (height, width, their ratios to IMAGE, rows added on top), X."""

    def initialize(self, args: dict[str, str]) -> None:
        """The library's steps without its networks, which the server runs."""
        config = read_yaml(DEFAULT_CFG_PATH)
        self.library = RapidOCR.__new__(RapidOCR)
        vars(self.library).update(config["Global"])
        self.detector = TextDetector.__new__(TextDetector)
        vars(self.detector).update(config["Det"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """Raises for an image that has no pixels."""
        image = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        if image.size == 0:
            raise pb_utils.TritonModelException(f"the image is empty: {list(image.shape)}")
        work, *ratios = self.library.preprocess(image)
        work, record = self.library.maybe_add_letterbox(work, {})
        x = self.detector.get_preprocess(max(work.shape[:2]))(work)
        place = np.array([*image.shape[:2], *ratios, record["padding_1"]["top"]], np.float32)
        outputs = (("WORK", work), ("PLACE", place), ("X", x))
        return pb_utils.InferenceResponse([pb_utils.Tensor(*output) for output in outputs])
