// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Messages that stock clients wrote; tests/csrc/data/make_golden.py says in what format.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "penstock/plan.h"
#include "support/plans.h"

namespace penstock::testing {

struct GoldenInput {
  std::string name;
  DataType type = DataType::kInvalid;
  Shape shape;
  std::string data;
};

struct GoldenCase {
  std::string name;
  std::string body;
  std::optional<std::uint64_t> json_bytes;
  std::vector<GoldenInput> inputs;

  // A model that takes exactly these inputs.
  [[nodiscard]] ModelPlan plan() const {
    ModelPlan out;
    out.name = "golden";
    for (const GoldenInput& input : inputs) {
      out.inputs.push_back(tensor_spec(input.name, input.type, input.shape));
    }
    out.outputs.push_back(tensor_spec("OUTPUT0", DataType::kFp32, Shape{-1}));
    return out;
  }
};

inline std::ifstream open_golden(const std::string& file) {
  std::ifstream in(PENSTOCK_TEST_DATA "/" + file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + file);
  return in;
}

inline std::string read_golden(const std::string& file) {
  std::ifstream in = open_golden(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string read_block(std::istream& in, std::size_t size) {
  std::string block(size, '\0');
  in.read(block.data(), static_cast<std::streamsize>(size));
  if (!in || in.get() != '\n') throw std::runtime_error("golden file is cut short");
  return block;
}

inline GoldenInput read_golden_input(std::istream& in) {
  std::string line;
  std::getline(in, line);
  std::istringstream words(line);
  std::string keyword;
  std::string type;
  std::size_t size = 0;
  GoldenInput input;
  words >> keyword >> input.name >> type >> size;
  if (keyword != "input") throw std::runtime_error("golden file: expected an input");
  for (std::int64_t dim = 0; words >> dim;) input.shape.push_back(dim);
  input.type = parse_data_type(type);
  input.data = read_block(in, size);
  return input;
}

inline std::vector<GoldenCase> golden_cases(const std::string& file) {
  std::ifstream in = open_golden(file);
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string keyword;
    std::size_t body_bytes = 0;
    std::int64_t json_bytes = -1;
    std::size_t inputs = 0;
    GoldenCase& golden = cases.emplace_back();
    words >> keyword >> golden.name >> body_bytes >> json_bytes >> inputs;
    if (keyword != "case") throw std::runtime_error("golden file: expected a case");
    if (json_bytes >= 0) golden.json_bytes = static_cast<std::uint64_t>(json_bytes);
    golden.body = read_block(in, body_bytes);
    for (std::size_t i = 0; i < inputs; ++i) golden.inputs.push_back(read_golden_input(in));
  }
  return cases;
}

}  // namespace penstock::testing
