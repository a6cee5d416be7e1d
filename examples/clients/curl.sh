#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
#
# The protocol by hand: health, metadata, an inference and a classification.
# Usage: examples/clients/curl.sh [host:port]
set -euo pipefail
url="http://${1:-localhost:8000}"

request() {
  echo "# $*"
  curl --fail-with-body --silent --show-error "$@"
  echo
}

request "$url/v2/health/ready" --output /dev/null --write-out '%{http_code}'
request "$url/v2"
request "$url/v2/models/add_sub"

request "$url/v2/models/add_sub/infer" --data '{
  "inputs": [
    {"name": "INPUT0", "datatype": "FP32", "shape": [4], "data": [1, 2, 3, 4]},
    {"name": "INPUT1", "datatype": "FP32", "shape": [4], "data": [10, 20, 30, 40]}
  ]
}'

# A handwritten nought, 8 x 8 grey values; the two likeliest classes with their labels.
request "$url/v2/models/digits/infer" --data '{
  "inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 64], "data": [
    0, 0,  5, 13,  9,  1, 0, 0,
    0, 0, 13, 15, 10, 15, 5, 0,
    0, 3, 15,  2,  0, 11, 8, 0,
    0, 4, 12,  0,  0,  8, 8, 0,
    0, 5,  8,  0,  0,  9, 8, 0,
    0, 4, 11,  0,  1, 12, 7, 0,
    0, 2, 14,  5, 10, 12, 0, 0,
    0, 0,  6, 13, 10,  0, 0, 0]}],
  "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]
}'
