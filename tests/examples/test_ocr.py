# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""An ensemble of three real networks with Python between them reads what its library reads.

Contract 4, ensembles: shapes that differ from image to image, steps without a result, errors.
Needs `make frameworks`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from example_server import ROOT, Server, serving
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("rapidocr_onnxruntime", "cv2", "pyclipper"))),
    reason="rapidocr-onnxruntime is not installed",
)

Line = tuple[str, float, list[list[float]]]


@pytest.fixture(scope="module")
def ocr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ocr")
    subprocess.run([sys.executable, str(ROOT / "examples/make_ocr.py"), str(folder)], check=True)
    with serving(folder) as started:
        yield started


@pytest.fixture(scope="module")
def library() -> Any:
    from rapidocr_onnxruntime import RapidOCR

    return RapidOCR()


def picture(lines: list[str], height: int = 360, width: int = 640) -> np.ndarray:
    """Black on white."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), "white")
    font = ImageFont.load_default(min(36, height - 6))
    for place, line in enumerate(lines):
        top = height * (place + 0.5) / len(lines)
        ImageDraw.Draw(image).text((width / 2, top), line, font=font, fill="black", anchor="mm")
    return np.asarray(image)[:, :, ::-1].copy()


LINES = ["Penstock serves models", "Invoice 2026-11-22", "Total: 1,234.50 EUR"]
PICTURES = (
    {
        "upright": picture(LINES),
        "upside down": picture(LINES)[::-1, ::-1].copy(),
        "one line, letterboxed": picture(["Room 101"], height=24, width=400),
        "larger than the detector takes": np.repeat(np.repeat(picture(LINES), 4, 0), 4, 1),
        "blank": picture([]),
    }
    if find_spec("PIL")
    else {}
)


def ask(server: Server, image: np.ndarray, module: Any = grpcclient) -> list[Line]:
    url = server.grpc if module is grpcclient else server.http
    tensor = module.InferInput("IMAGE", list(image.shape), "UINT8")
    tensor.set_data_from_numpy(image)
    with module.InferenceServerClient(url) as client:
        answer = client.infer("ocr", [tensor])
    arrays = [answer.as_numpy(name) for name in ("TEXT", "CONFIDENCE", "PLACES")]
    return [
        (text.decode(), float(score), box.tolist())
        for text, score, box in zip(*arrays, strict=True)
    ]


def expected(library: Any, image: np.ndarray) -> list[Line]:
    found, _ = library(image)
    return [(text, score, box) for box, text, score in found or []]


def check(answer: list[Line], wanted: list[Line]) -> None:
    assert [line[0] for line in answer] == [line[0] for line in wanted]
    for ours, theirs in zip(answer, wanted, strict=True):
        assert ours[1] == pytest.approx(theirs[1], abs=1e-4)
        assert ours[2] == theirs[2]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("module", [grpcclient, httpclient], ids=["grpc", "http"])
def test_it_reads_what_the_library_reads(ocr: Server, library: Any, name: str, module: Any) -> None:
    wanted = expected(library, PICTURES[name])
    check(ask(ocr, PICTURES[name], module), wanted)
    if name == "upright":
        assert [line[0].replace(" ", "") for line in wanted] == [
            line.replace(" ", "") for line in LINES
        ]
    assert bool(wanted) == (name != "blank")


def test_several_at_once(ocr: Server, library: Any) -> None:
    """Each request's tensors stay its own on their way through the steps."""
    images = [
        picture([f"Ticket {number:04d}", "of a queue"][: 1 + number % 2]) for number in range(8)
    ]
    wanted = [expected(library, image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda image: ask(ocr, image), images * 2))
    for answer, lines in zip(answers, wanted * 2, strict=True):
        check(answer, lines)


def test_a_bad_image_fails_alone(ocr: Server, library: Any) -> None:
    with pytest.raises(InferenceServerException, match="the image is empty"):
        ask(ocr, np.zeros((0, 10, 3), np.uint8))
    with pytest.raises(InferenceServerException, match="IMAGE"):
        ask(ocr, np.zeros((10, 10, 4), np.uint8))
    check(ask(ocr, PICTURES["upright"]), expected(library, PICTURES["upright"]))
