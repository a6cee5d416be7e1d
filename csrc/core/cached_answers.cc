// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: answers from the response cache, and for it (contract 4.6).
#include <new>

#include "core/served_model.h"

namespace penstock {

// Counted, answered and gone, unless it is a miss. S-6: also a hit waits for those before it.
bool ServedModel::answer_from_cache(Request& request) {
  const std::int64_t started = clock_.now_ns();
  const auto hash = cache_->hash(request);
  if (!hash) return false;
  const bool hit = cache_->answer(*hash, request);
  const std::int64_t done = clock_.now_ns();
  request.cache_ns_ = static_cast<std::uint64_t>(done - started);
  if (!hit) {
    request.cache_missed_ = true;
    request.cache_key_ = *hash;
    return false;
  }
  request.times.queued = request.times.batched = started;
  request.times.exec_start = request.times.exec_end = request.times.completed = done;
  {
    StatisticsCell::Update update(unexecuted_, done);
    update.cache_hit(request.cache_ns_, request.cache_ns_);
    update.first_response(request.cache_ns_);
  }
  request.set_state(RequestState::kDone);
  leave(request);
  if (!in_order()) {
    request.completion->push(&request.response);
  } else {
    Request* const answered = &request;
    ordered_.done({&answered, 1});
  }
  return true;
}

void ServedModel::cache_answer(Request& request) {
  const Response& response = request.response;
  if (!request.cache_missed_ || !response.answered || !response.status.ok()) return;
  const std::int64_t started = clock_.now_ns();
  try {
    (void)cache_->store(request.cache_key_, request);
  } catch (const std::bad_alloc&) {  // the answer is good all the same
  }
  request.cache_ns_ += static_cast<std::uint64_t>(clock_.now_ns() - started);
}

}  // namespace penstock
