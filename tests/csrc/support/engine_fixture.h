// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What tests of the engine are made of: an owner of requests, and instances of the pair_plan model.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <semaphore>
#include <stdexcept>

#include "penstock/engine.h"
#include "support/requests.h"

namespace penstock::testing {

// A loop that owns requests: submits, waits for completions, releases.
class Owner final : public Waker {
 public:
  explicit Owner(Engine& engine) : ring(*this), engine_(engine) {}
  void wake() noexcept override { woken_.release(); }

  Request* request(const char* name, float value, std::int64_t version = -1) {
    Request* r = engine_.acquire();
    EXPECT_NE(r, nullptr);
    status = engine_.bind(*r, name, version);
    if (!status.ok()) {
      engine_.release(r);
      return nullptr;
    }
    add_input<float>(*r, engine_.pool(), "IN", DataType::kFp32, Shape{1, 2}, {value, value});
    r->completion = &ring;
    return r;
  }
  // The next response; waits for it.
  Response* next() {
    while (taken_ == nullptr) {
      ring.arm();
      taken_ = ring.take_all();
      if (taken_ == nullptr) woken_.acquire();
    }
    auto* response = static_cast<Response*>(taken_);
    taken_ = taken_->next;
    return response;
  }
  // Waits until `count` responses are in; each is checked and released with its request.
  template <typename Check>
  void collect(int count, Check check) {
    for (; count > 0; --count) {
      Response* response = next();
      check(*response);
      engine_.release(response->request);
    }
  }

  CompletionRing ring;
  Status status;

 private:
  Engine& engine_;
  CompletionNode* taken_ = nullptr;
  std::counting_semaphore<> woken_{0};
};

// Doubles its input, over the gathered batch.
class Doubler final : public NativeInstance {
 public:
  void execute(Batch& batch) override {
    TensorView in;
    if (Status s = batch.gather(0, in); !s.ok()) return batch.fail_all(s);
    BufferLease lease = batch.allocate(in.size_bytes);
    batch.mark_exec_start();
    const auto* from = reinterpret_cast<const float*>(in.data);
    auto* to = reinterpret_cast<float*>(lease->data);
    for (std::size_t i = 0; i < in.size_bytes / sizeof(float); ++i) to[i] = 2 * from[i];
    batch.mark_exec_end();
    TensorView out = in;
    out.data = lease->data;
    if (Status s = batch.scatter(0, out, lease); !s.ok()) batch.fail_all(s);
  }
};

// Holds every batch until told to go on.
class Gate final : public NativeInstance {
 public:
  Gate(std::binary_semaphore& entered, std::counting_semaphore<>& go)
      : entered_(entered), go_(go) {}
  void execute(Batch& batch) override {
    entered_.release();
    go_.acquire();
    Doubler().execute(batch);
  }

 private:
  std::binary_semaphore& entered_;
  std::counting_semaphore<>& go_;
};

class Thrower final : public NativeInstance {
 public:
  void execute(Batch&) override { throw std::runtime_error("boom"); }
};

class Mute final : public NativeInstance {
 public:
  void execute(Batch&) override {}
};

inline float first_value(const Response& response) {
  float value = 0;
  std::memcpy(&value, response.outputs[0].view.data, sizeof(value));
  return value;
}

}  // namespace penstock::testing
