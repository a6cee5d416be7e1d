// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RemoteAnswers: how one loaded model version uses a cache outside the server: as ModelCache, but
// answers come later, on the store's thread.
//
// The key knows the model's name and version, not which load it was: a model that is replaced under
// the same version answers with what its predecessor said, as in Triton. An answer that this
// model could not have given is a miss. Thread safety: all methods, any thread. Ownership: borrows
// store, plan and owner, which outlive it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/input_hash.h"
#include "cache/remote_store.h"
#include "penstock/plan.h"

namespace penstock {

class RemoteAnswers final : private RemoteStore::Client {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // On the store's thread. With a hit the response is filled.
    virtual void looked_up(Request& request, bool hit) = 0;
  };

  RemoteAnswers(RemoteStore& store, const ModelPlan& plan, Owner& owner);
  // True: the owner will be told. False: not now, a miss without a look-up.
  [[nodiscard]] bool look_up(Request& request) { return store_.look_up(request, *this); }
  // Sends a copy of the successful answer.
  void store(const Request& request);

 private:
  [[nodiscard]] std::optional<std::string> key_of(Request& request,
                                                  const ContentHash& hash) override;
  void looked_up(Request& request, std::optional<std::string_view> entry) override;
  [[nodiscard]] std::string name_of(std::uint64_t inputs) const;

  RemoteStore& store_;
  const ModelPlan& plan_;
  Owner& owner_;
  const InputHash inputs_;
};

}  // namespace penstock
