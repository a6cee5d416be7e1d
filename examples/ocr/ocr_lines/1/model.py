# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Turns the lines that stand on their head, and makes all of them as high as the reader needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from rapidocr_onnxruntime.ch_ppocr_rec.text_recognize import TextRecognizer
from rapidocr_onnxruntime.main import DEFAULT_CFG_PATH, RapidOCR
from rapidocr_onnxruntime.utils import read_yaml


class TritonPythonModel:
    """WORK, REGIONS, ANGLES -> LINES, as wide as the longest of them."""

    def initialize(self, args: dict[str, str]) -> None:
        """The library's steps without its networks, which the server runs."""
        config = read_yaml(DEFAULT_CFG_PATH)
        self.library = RapidOCR.__new__(RapidOCR)
        self.threshold = config["Cls"]["cls_thresh"]
        self.recognizer = TextRecognizer.__new__(TextRecognizer)
        self.recognizer.rec_image_shape = config["Rec"]["rec_img_shape"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """The lines in the order of their regions."""
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        crops = self.library.get_crop_img_list(inputs["WORK"], inputs["REGIONS"])
        crops = [
            np.ascontiguousarray(crop[::-1, ::-1]) if self._is_turned(angles) else crop
            for crop, angles in zip(crops, inputs["ANGLES"], strict=True)
        ]
        _, height, width = self.recognizer.rec_image_shape
        ratio = max(width / height, *(crop.shape[1] / crop.shape[0] for crop in crops))
        lines = np.stack([self.recognizer.resize_norm_img(crop, ratio) for crop in crops])
        return pb_utils.InferenceResponse([pb_utils.Tensor("LINES", lines)])

    def _is_turned(self, angles: np.ndarray) -> bool:
        return bool(angles.argmax() == 1 and angles[1] > self.threshold)
