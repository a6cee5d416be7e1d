# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What stands before a network: text as clients have it becomes the numbers that networks take."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

PADDING, UNKNOWN = 0, 1


class TritonPythonModel:
    """TEXT BYTES [rows, 1], UTF-8, in; IDS and MASK INT64 [rows, 16] out. More words are cut."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the vocabulary, one word a line, from a file beside config.pbtxt."""
        config = json.loads(args["model_config"])
        name = config["parameters"]["vocabulary"]["string_value"]
        words = (Path(args["model_repository"]) / name).read_text().splitlines()
        self.ids = {word: number for number, word in enumerate(words)}
        ids = pb_utils.get_output_config_by_name(config, "IDS")
        self.length = int(ids["dims"][0])
        self.dtype = pb_utils.triton_string_to_numpy(ids["data_type"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """Strings come as an array of `bytes` objects."""
        texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
        try:
            rows = [self.numbers(text.decode()) for text in texts.ravel()]
        except UnicodeDecodeError as failure:
            error = pb_utils.TritonError(
                f"TEXT is not UTF-8: {failure}", pb_utils.TritonError.INVALID_ARG
            )
            return pb_utils.InferenceResponse(error=error)
        ids = np.array(rows, self.dtype).reshape(len(rows), self.length)
        mask = (ids != PADDING).astype(self.dtype)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("IDS", ids), pb_utils.Tensor("MASK", mask)]
        )

    def numbers(self, text: str) -> list[int]:
        """As many as the output has."""
        words = re.findall(r"\w+", text.lower())[: self.length]
        known = [self.ids.get(word, UNKNOWN) for word in words]
        return known + [PADDING] * (self.length - len(known))
