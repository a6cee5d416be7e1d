// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/remote_answers.h"

#include <charconv>

#include "cache/answer_bytes.h"

namespace penstock {

RemoteAnswers::RemoteAnswers(RemoteStore& store, const ModelPlan& plan, Owner& owner)
    : store_(store), plan_(plan), owner_(owner), inputs_(plan) {}

std::string RemoteAnswers::name_of(std::uint64_t inputs) const {
  char digits[16];
  const char* const end = std::to_chars(digits, digits + sizeof digits, inputs, 16).ptr;
  return "penstock:" + plan_.name + ":" + std::to_string(plan_.version) + ":" +
         std::string(digits, static_cast<std::size_t>(end - digits));
}

std::optional<std::string> RemoteAnswers::key_of(Request& request, const ContentHash& hash) {
  const auto inputs = inputs_(hash, 0, request);
  if (!inputs) return std::nullopt;
  request.cache_missed_ = true;  // until it is found
  request.cache_key_ = *inputs;
  return name_of(*inputs);
}

void RemoteAnswers::looked_up(Request& request, std::optional<std::string_view> entry) {
  bool hit = false;
  if (entry) {
    const auto answer = read_answer(*entry, plan_);
    hit = answer && give_answer(*answer, request);
  }
  if (hit) request.cache_missed_ = false;
  owner_.looked_up(request, hit);
}

void RemoteAnswers::store(const Request& request) {
  if (!in_host_memory(request.response) || !store_.takes(answer_size(request))) return;
  store_.insert(name_of(request.cache_key_), write_answer(request));
}

}  // namespace penstock
