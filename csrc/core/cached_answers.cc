// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: answers from the response cache, and for it (contract 4.6).
#include <new>
#include <utility>

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
  answer_hit(request, started, done);
  return true;
}

void ServedModel::answer_hit(Request& request, std::int64_t started_ns, std::int64_t now_ns) {
  request.times.queued = request.times.batched = started_ns;
  request.times.exec_start = request.times.exec_end = request.times.completed = now_ns;
  {
    StatisticsCell::Update update(unexecuted_, now_ns);
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
}

// From here on it is in the hands of the store's thread, until looked_up().
bool ServedModel::look_up(Request& request) {
  request.times.batched = clock_.now_ns();  // when it began
  return remote_->look_up(request);
}

void ServedModel::looked_up(Request& request, bool hit) {
  // Who owns the request may let go of it, and the last request of this model.
  const std::shared_ptr<ModelVersion> self = request.model_;
  const std::int64_t started = request.times.batched;
  const std::int64_t now = clock_.now_ns();
  request.cache_ns_ = static_cast<std::uint64_t>(now - started);
  if (hit) return answer_hit(request, started, now);
  request.times.batched = 0;
  if (Status status = queue(request); !status.ok()) {
    request.response.status = std::move(status);
    request.set_state(RequestState::kDone);
    leave(request);
    request.completion->push(&request.response);
  }
  wake_instance();
}

void ServedModel::cache_answer(Request& request) {
  const Response& response = request.response;
  if (!request.cache_missed_ || !response.answered || !response.status.ok()) return;
  const std::int64_t started = clock_.now_ns();
  try {
    cache_ ? (void)cache_->store(request.cache_key_, request) : remote_->store(request);
  } catch (const std::bad_alloc&) {  // the answer is good all the same
  }
  request.cache_ns_ += static_cast<std::uint64_t>(clock_.now_ns() - started);
}

}  // namespace penstock
