// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/json_scan.h"

#include <algorithm>
#include <array>
#include <limits>

namespace penstock::wire {
namespace {

struct Literal {
  std::string_view text;
  std::string_view object;
  double value;
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Longer texts before their prefixes.
constexpr std::array<Literal, 5> kLiterals{{
    {"NaN", R"({"NaN":0})", std::numeric_limits<double>::quiet_NaN()},
    {"Infinity", R"({"Infinity":0})", kInfinity},
    {"Inf", R"({"Infinity":0})", kInfinity},
    {"-Infinity", R"({"-Infinity":0})", -kInfinity},
    {"-Inf", R"({"-Infinity":0})", -kInfinity},
}};

const Literal* literal_at(std::string_view rest) {
  for (const Literal& literal : kLiterals) {
    if (rest.starts_with(literal.text)) return &literal;
  }
  return nullptr;
}

// Index behind the string that opens at `begin`.
std::size_t string_end(std::string_view json, std::size_t begin) {
  for (std::size_t i = begin + 1; i < json.size(); ++i) {
    if (json[i] == '\\') {
      ++i;
    } else if (json[i] == '"') {
      return i + 1;
    }
  }
  return json.size();
}

}  // namespace

std::size_t nesting_depth(std::string_view json, std::size_t limit) {
  std::size_t open = 0;
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < json.size() && deepest <= limit;) {
    const char c = json[i];
    if (c == '"') {
      i = string_end(json, i);
      continue;
    }
    if (c == '[' || c == '{') deepest = std::max(deepest, ++open);
    if ((c == ']' || c == '}') && open > 0) --open;
    ++i;
  }
  return deepest;
}

bool rewrite_nonfinite(std::string_view json, std::string& out) {
  out.clear();
  std::size_t copied = 0;
  std::string open;  // the containers around, '[' or '{'
  for (std::size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (c == '"') {
      i = string_end(json, i);
      continue;
    }
    if (c == '[' || c == '{') {
      open.push_back(c);
    } else if ((c == ']' || c == '}') && !open.empty()) {
      open.pop_back();
    } else if ((c == 'N' || c == 'I' || c == '-') && !open.empty() && open.back() == '[') {
      if (const Literal* literal = literal_at(json.substr(i))) {
        out.append(json, copied, i - copied).append(literal->object);
        i += literal->text.size();
        copied = i;
        continue;
      }
    }
    ++i;
  }
  if (copied == 0) return false;
  out.append(json, copied);
  return true;
}

std::optional<double> nonfinite_value(simdjson::dom::element element) {
  simdjson::dom::object object;
  if (element.get(object) || object.size() != 1) return std::nullopt;
  const std::string_view key = (*object.begin()).key;
  for (const Literal& literal : kLiterals) {
    if (key == literal.text) return literal.value;
  }
  return std::nullopt;
}

}  // namespace penstock::wire
