// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelPin: a version that serves its holder to the end, whoever unloads or replaces it meanwhile
// (S-48).
//
// retire() waits for pins as it waits for requests, and no longer than its time-out: after that
// what the holder submits is refused. Thread safety: none. Ownership: shares the version. Nothing
// blocks.
#pragma once

#include <memory>
#include <utility>

#include "penstock/request.h"

namespace penstock {

class ServedModel;

class ModelPin {
 public:
  ModelPin() = default;  // of nothing
  // It was let in by ServedModel::pin().
  explicit ModelPin(std::shared_ptr<ServedModel> model) : model_(std::move(model)) {}
  ModelPin(ModelPin&& other) noexcept = default;
  ModelPin& operator=(ModelPin&& other) noexcept {
    model_.swap(other.model_);
    return *this;
  }
  ModelPin(const ModelPin&) = delete;
  ModelPin& operator=(const ModelPin&) = delete;
  ~ModelPin();

  // As Engine::bind(), to this version.
  void bind(Request& request) const;

 private:
  std::shared_ptr<ServedModel> model_;
};

}  // namespace penstock
