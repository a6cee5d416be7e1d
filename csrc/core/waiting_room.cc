// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/waiting_room.h"

#include <algorithm>
#include <utility>

#include "sched/scheduler.h"

namespace penstock {

Status WaitingRoom::enter(Request& request, std::string_view model,
                          const std::function<bool()>& still) {
  std::lock_guard lock(mutex_);
  if (!closed_.ok()) return closed_;
  if (count_ >= kMost) {
    return unavailable(request.tag_text() +
                       "too many requests wait for models to be loaded, try again later");
  }
  request.set_state(RequestState::kQueued);
  if (!still()) {  // it was loaded, or given up, since it was looked for
    give_back(request, {});
    return {};
  }
  auto found = waiting_.find(model);
  if (found == waiting_.end()) {
    found = waiting_.emplace(model, std::vector<Request*>()).first;
    wanted_.emplace_back(model);
    if (wanted_.size() == 1) wake_.wake();
  }
  found->second.push_back(&request);
  ++count_;
  return {};
}

void WaitingRoom::open(std::string_view model) {
  std::lock_guard lock(mutex_);
  const auto found = waiting_.find(model);
  if (found == waiting_.end()) return;
  for (Request* request : found->second) give_back(*request, {});
  count_ -= found->second.size();
  waiting_.erase(found);
}

void WaitingRoom::close(const Status& status) {
  std::lock_guard lock(mutex_);
  closed_ = status;
  for (const auto& [model, requests] : waiting_) {
    for (Request* request : requests) give_back(*request, status);
  }
  waiting_.clear();
  count_ = 0;
}

std::int64_t WaitingRoom::sweep(std::int64_t now_ns) {
  std::int64_t next = kNoDeadline;
  std::lock_guard lock(mutex_);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    count_ -= std::erase_if(it->second, [&](Request* request) {
      if (!request->given_up(now_ns)) {
        next = std::min(next, request->deadline_ns);
        return false;
      }
      const bool cancelled = request->cancelled();
      give_back(*request, cancelled ? Status(Code::kCancelled, request->tag_text() + "cancelled")
                                    : deadline_exceeded(*request));
      return true;
    });
    it = it->second.empty() ? waiting_.erase(it) : std::next(it);
  }
  return next;
}

std::vector<std::string> WaitingRoom::take_wanted() {
  std::lock_guard lock(mutex_);
  wake_.drain();
  return std::exchange(wanted_, {});
}

void WaitingRoom::give_back(Request& request, Status status) {
  request.response.status = std::move(status);
  request.set_state(RequestState::kDone);
  request.completion->push(&request.response);  // it may be gone now
}

}  // namespace penstock
