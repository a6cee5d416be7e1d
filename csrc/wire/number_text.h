// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Numbers as JSON text: the shortest that reads back as the same number of the same type. Floats
// always look like floats ("1.0"), and NaN, Infinity and -Infinity are written as RapidJSON writes
// them. Pure functions; thread safe; they append to a string of the caller's, nothing blocks.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace penstock::wire {

// Room for any number of any type.
inline constexpr std::size_t kNumberRoom = 32;

inline char* write_text(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

// Writes at most kNumberRoom characters; returns the end.
template <typename T>
char* write_number(char* to, T value) {
  if constexpr (std::same_as<T, bool>) {
    return write_text(to, value ? "true" : "false");
  } else if constexpr (std::floating_point<T>) {
    if (std::isnan(value)) return write_text(to, "NaN");
    if (std::isinf(value)) return write_text(to, value < 0 ? "-Infinity" : "Infinity");
    char* end = std::to_chars(to, to + kNumberRoom, value).ptr;
    for (const char* c = to; c != end; ++c) {
      if (*c == '.' || *c == 'e') return end;
    }
    return write_text(end, ".0");
  } else {
    return std::to_chars(to, to + kNumberRoom, value).ptr;
  }
}

template <typename T>
void append_number(std::string& out, T value) {
  char text[kNumberRoom];
  out.append(text, static_cast<std::size_t>(write_number(text, value) - text));
}

// `count` elements at `data` (of any alignment), separated by commas.
template <typename T>
void append_numbers(std::string& out, const std::byte* data, std::size_t count) {
  constexpr std::size_t kChunk = 256;  // elements a time; their text fits the stack
  char text[kChunk * (kNumberRoom + 1)];
  for (std::size_t done = 0; done < count;) {
    char* to = text;
    for (const std::size_t end = std::min(done + kChunk, count); done < end; ++done) {
      if (done > 0) *to++ = ',';
      if constexpr (std::same_as<T, bool>) {
        to = write_number(to, data[done] != std::byte{0});  // any byte may stand there
      } else {
        T value;
        std::memcpy(&value, data + done * sizeof(T), sizeof(T));
        to = write_number(to, value);
      }
    }
    out.append(text, static_cast<std::size_t>(to - text));
  }
}

}  // namespace penstock::wire
