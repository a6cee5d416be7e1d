# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From the detector's map to the lines of text that it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from rapidocr_onnxruntime.ch_ppocr_cls.text_cls import TextClassifier
from rapidocr_onnxruntime.ch_ppocr_det.text_detect import TextDetector
from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess
from rapidocr_onnxruntime.main import DEFAULT_CFG_PATH, RapidOCR
from rapidocr_onnxruntime.utils import read_yaml

_POST_PROCESS = ("thresh", "box_thresh", "max_candidates", "unclip_ratio", "use_dilation")


class TritonPythonModel:
    """WORK, PLACE, MAP -> REGIONS, BOXES, CROPS.

    A network cannot run on nothing: without any text there is one region all the same, the image's
    upper left corner, and no box.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """The library's steps without its networks, which the server runs."""
        config = read_yaml(DEFAULT_CFG_PATH)
        self.library = RapidOCR.__new__(RapidOCR)
        self.detector = TextDetector.__new__(TextDetector)
        self.find = DBPostProcess(
            score_mode=config["Det"]["score_mode"],
            **{name: config["Det"][name] for name in _POST_PROCESS},
        )
        self.classifier = TextClassifier.__new__(TextClassifier)
        vars(self.classifier).update(config["Cls"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """Lines from top to bottom, from left to right."""
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        work = inputs["WORK"]
        found, _ = self.find(inputs["MAP"], work.shape[:2])
        found = self.detector.filter_tag_det_res(found, work.shape[:2])
        regions = np.array(self.library.sorted_boxes(found), np.float32).reshape(-1, 4, 2)
        boxes = self._in_image(regions, inputs["PLACE"])
        if not len(regions):
            regions = np.array([[[0, 0], [8, 0], [8, 8], [0, 8]]], np.float32)
        crops = self.library.get_crop_img_list(work, regions)
        crops = np.stack([self.classifier.resize_norm_img(crop) for crop in crops])
        outputs = (("REGIONS", regions), ("BOXES", boxes), ("CROPS", crops))
        return pb_utils.InferenceResponse([pb_utils.Tensor(*output) for output in outputs])

    def _in_image(self, regions: np.ndarray, place: np.ndarray) -> np.ndarray:
        height, width, ratio_h, ratio_w, top = place
        record = {
            "preprocess": {"ratio_h": ratio_h, "ratio_w": ratio_w},
            "padding_1": {"top": top, "left": 0},
        }
        boxes = self.library._get_origin_points(regions, record, height, width)
        return np.asarray(boxes, np.float32)
