// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A request line's method and path to a route: what is answered here is exactly what the contract
// names, and putting a route together again gives the path it came from.
#include "door/router.h"

#include <algorithm>
#include <string>

#include "promise.h"

namespace penstock::fuzz {
namespace {

using door::Route;
using door::RouteKind;

std::string path_of(const Route& route) {
  if (route.kind == RouteKind::kServerLive) return "/v2/health/live";
  if (route.kind == RouteKind::kServerReady) return "/v2/health/ready";
  std::string path = "/v2/models/" + std::string(route.model);
  if (!route.version.empty()) path.append("/versions/").append(route.version);
  return path.append(route.kind == RouteKind::kInfer ? "/infer" : "/ready");
}

void check(std::string_view method, std::string_view path) {
  const Route found = door::route(method, path);
  if (found.kind == RouteKind::kPassOn) return;
  require(method == (found.kind == RouteKind::kInfer ? "POST" : "GET"), "the route's own method");
  require(path_of(found) == path, "a route stands for one path");
  require(std::all_of(found.version.begin(), found.version.end(),
                      [](char c) { return c >= '0' && c <= '9'; }),
          "a version is a number");
  require(std::none_of(found.model.begin(), found.model.end(),
                       [](char c) { return c == '/' || static_cast<signed char>(c) < 0; }),
          "a model's name is one ASCII segment");
}

}  // namespace
}  // namespace penstock::fuzz

// Input: method, space, path.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = penstock::fuzz::text_of(data, size);
  const std::size_t space = std::min(text.find(' '), text.size());
  penstock::fuzz::check(text.substr(0, space), text.substr(std::min(space + 1, text.size())));
  return 0;
}
