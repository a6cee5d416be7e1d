// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/router.h"

#include <algorithm>

namespace penstock::door {
namespace {

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// What stands before the next '/', which stays.
std::string_view take_segment(std::string_view& text) {
  const std::string_view segment = text.substr(0, text.find('/'));
  text.remove_prefix(segment.size());
  return segment;
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool all_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

Route route(std::string_view method, std::string_view path) {
  const bool get = method == "GET";
  if (!get && method != "POST") return {};
  Route found;
  if (!take_prefix(path, "/v2/models/")) {
    if (!get || !take_prefix(path, "/v2/health/")) return {};
    if (path == "live") found.kind = RouteKind::kServerLive;
    if (path == "ready") found.kind = RouteKind::kServerReady;
    return found;
  }
  found.model = take_segment(path);
  // No model has such a name; the control plane knows what to say of text that is not UTF-8.
  if (found.model.empty() || !all_ascii(found.model)) return {};
  if (take_prefix(path, "/versions/")) {
    found.version = take_segment(path);
    if (found.version.empty() || !all_digits(found.version)) return {};
  }
  if (get && path == "/ready") {
    found.kind = RouteKind::kModelReady;
  } else if (!get && path == "/infer") {
    found.kind = RouteKind::kInfer;
  }
  return found;
}

}  // namespace penstock::door
