// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// WaitingRoom: requests for models that are loaded when somebody asks for them.
//
// A request that was not bound waits here by its model's name; the first of a name is told to the
// control plane. It goes back to its owner by its completion ring: with an OK status when its owner
// is to try again, because the model is there or will not be, else with why it waits no longer.
// Thread safety: all methods, any thread. Ownership: of the requests, as their models have them.
// Bounded. Nothing blocks but for the lock, under which requests are only moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/reaper.h"
#include "penstock/completion.h"
#include "penstock/request.h"

namespace penstock {

class WaitingRoom final : public Sweepable {
 public:
  static constexpr std::size_t kMost = 4096;

  // `still` is asked under the lock: is the model still one to wait for? When it is not, the
  // request goes back at once. On an error (the room is full, or closed) the caller still has it.
  [[nodiscard]] Status enter(Request& request, std::string_view model,
                             const std::function<bool()>& still);
  // What waits for the model tries again.
  void open(std::string_view model);
  // All go, with this status, and nobody enters any more.
  void close(const Status& status);
  // The cancelled, and those whose deadline has passed, go.
  std::int64_t sweep(std::int64_t now_ns) override;

  // The models that are waited for and were not taken before.
  [[nodiscard]] std::vector<std::string> take_wanted();
  // Readable while there are some.
  [[nodiscard]] int fd() const { return wake_.fd(); }

 private:
  using Waiting = std::map<std::string, std::vector<Request*>, std::less<>>;
  static void give_back(Request& request, Status status);

  std::mutex mutex_;
  Waiting waiting_;                  // under mutex_
  std::size_t count_ = 0;            // under mutex_
  std::vector<std::string> wanted_;  // under mutex_
  Status closed_;                    // under mutex_; OK: it is open
  WakeFd wake_;
};

}  // namespace penstock
