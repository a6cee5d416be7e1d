// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/report.h"

#include <cstdio>

namespace penstock::load {
namespace {

std::string fixed(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {  // a server's words may be of any encoding
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string microseconds(const Histogram& histogram) {
  constexpr struct {
    const char* name;
    double share;
  } kQuantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
  std::string out = "{\"mean\": " + fixed(histogram.mean() / 1e3);
  for (const auto& [name, share] : kQuantiles) {
    const auto ns = static_cast<double>(histogram.quantile(share));
    out += std::string(", \"") + name + "\": " + fixed(ns / 1e3);
  }
  return out + ", \"max\": " + fixed(static_cast<double>(histogram.max()) / 1e3) + "}";
}

std::string errors(const Tally& tally) {
  std::string out = "{";
  for (std::size_t i = 1; i < kOutcomes; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    if (outcome == Outcome::kCancelled) continue;
    if (i > 1) out += ", ";
    out += quoted(name_of(outcome)) + ": " + std::to_string(tally.outcomes[i]);
  }
  return out + "}";
}

std::string statuses(const Tally& tally) {
  std::string out = "{";
  for (const auto& [text, count] : tally.statuses) {
    if (out.size() > 1) out += ", ";
    out += quoted(text) + ": " + std::to_string(count);
  }
  return out + "}";
}

}  // namespace

std::string report(const Options& options, const Tally& tally, std::int64_t measured_ns) {
  const double seconds = static_cast<double>(measured_ns) / 1e9;
  const auto answered = static_cast<double>(tally.answered());
  const double cpu_us = answered > 0 ? static_cast<double>(tally.cpu_ns) / 1e3 / answered : 0;
  std::string out = "{\"requests\": " + std::to_string(tally.answered());
  out += ", \"failed\": " + std::to_string(tally.failed());
  out += ", \"errors\": " + errors(tally);
  out += ", \"statuses\": " + statuses(tally);
  out += ", \"cancelled\": " + std::to_string(tally.cancelled());
  out += ", \"first_error\": " + quoted(tally.first_error);
  out += ", \"seconds\": " + fixed(seconds);
  out += ", \"requests_per_s\": " + fixed(seconds > 0 ? answered / seconds : 0);
  out += ", \"bytes_sent\": " + std::to_string(tally.bytes_sent);
  out += ", \"bytes_received\": " + std::to_string(tally.bytes_received);
  out += ", \"latency_us\": " + microseconds(tally.latency);
  out += ", \"refusal_us\": " + microseconds(tally.refusal);
  if (options.rate_per_s > 0) out += ", \"delay_us\": " + microseconds(tally.delay);
  out += ", \"client_cpu_us_per_request\": " + fixed(cpu_us);
  return out + "}";
}

}  // namespace penstock::load
