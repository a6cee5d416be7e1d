// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "penstock/native_backends.h"

namespace penstock {
namespace {

constexpr double kMaxDelayMs = 3600e3;

// "12" of "INPUT12"; empty when the name ends otherwise.
std::string_view ending_digits(std::string_view name) {
  const auto last = name.find_last_not_of("0123456789");
  return last == std::string_view::npos ? name : name.substr(last + 1);
}

// The one input whose name ends with the same digits; nullopt when there is none, or several.
std::optional<std::uint32_t> input_with_digits(const ModelPlan& plan, std::string_view digits) {
  std::optional<std::uint32_t> found;
  for (std::uint32_t i = 0; i < plan.client_inputs(); ++i) {
    if (ending_digits(plan.inputs[i].name) != digits) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

// The input of every output, in the order of the outputs.
std::vector<std::uint32_t> pair_by_name(const ModelPlan& plan) {
  std::vector<std::uint32_t> sources;
  for (std::uint32_t i = 0; i < plan.client_outputs(); ++i) {
    const auto digits = ending_digits(plan.outputs[i].name);
    const auto source = digits.empty() ? std::nullopt : input_with_digits(plan, digits);
    if (!source) return {};
    sources.push_back(*source);
  }
  return sources;
}

std::vector<std::uint32_t> pair_outputs(const ModelPlan& plan) {
  std::vector<std::uint32_t> sources = pair_by_name(plan);
  if (sources.empty()) {
    for (std::uint32_t i = 0; i < plan.client_outputs(); ++i) sources.push_back(i);
  }
  return sources;
}

std::string pair_text(const ModelPlan& plan, const TensorSpec& in, const TensorSpec& out) {
  return "model '" + plan.name + "', input '" + in.name + "' and output '" + out.name + "'";
}

const Shape& backend_dims(const TensorSpec& spec) {
  return spec.reshape ? *spec.reshape : spec.dims;
}

class IdentityInstance final : public NativeInstance {
 public:
  explicit IdentityInstance(IdentityOptions options)
      : delay_ns_(static_cast<std::int64_t>(std::clamp(options.execute_delay_ms, 0.0, kMaxDelayMs) *
                                            1e6)) {}

  [[nodiscard]] Worker worker() const override { return Worker::kThread; }
  void execute(Batch& batch) override {
    if (&batch.plan() != plan_) prepare(batch.plan());
    if (!plan_status_.ok()) return batch.fail_all(plan_status_);
    batch.mark_exec_start();
    if (delay_ns_ > 0) wait_out_delay();
    batch.mark_exec_end();
    if (batch.device() >= 0) return answer_on_device(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) answer(batch, i);
  }

 private:
  void prepare(const ModelPlan& plan) {
    plan_ = &plan;
    plan_status_ = check_identity_plan(plan);
    sources_ = pair_outputs(plan);
  }

  // Inputs are side by side there.
  void answer_on_device(Batch& batch) const {
    for (std::uint32_t output = 0; output < sources_.size(); ++output) {
      if (!batch.wants_output(output)) continue;
      TensorView view;
      BufferLease lease;
      Status status = batch.gather(sources_[output], view, &lease);
      if (!status.ok()) return batch.fail_all(status);
      if (view.type == DataType::kInvalid) continue;  // optional, and in no request
      status = batch.scatter(output, view, lease);
      if (!status.ok()) return batch.fail_all(status);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) batch.answer(i);
  }

  void answer(Batch& batch, std::size_t i) const {
    const Request& request = batch.request(i);
    for (std::uint32_t output = 0; output < sources_.size(); ++output) {
      TensorView view;
      if (!request.wants_output(output) || !batch.input(i, sources_[output], view)) continue;
      const BufferLease& lease = request.find_input(sources_[output])->lease;
      if (Status status = batch.set_output(i, output, view, lease); !status.ok()) {
        return batch.fail(i, std::move(status));
      }
    }
  }

  // The delay is the feature: it stands for a model that takes this long.
  void wait_out_delay() const {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    const std::int64_t ns = until.tv_nsec + delay_ns_;
    until.tv_sec += ns / 1'000'000'000;
    until.tv_nsec = ns % 1'000'000'000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }

  const std::int64_t delay_ns_;
  const ModelPlan* plan_ = nullptr;
  Status plan_status_;
  std::vector<std::uint32_t> sources_;  // by output
};

}  // namespace

Status check_identity_plan(const ModelPlan& plan) {
  if (plan.client_inputs() != plan.client_outputs()) {
    return invalid_arg("identity back end: model '" + plan.name + "' has " +
                       std::to_string(plan.client_inputs()) + " inputs and " +
                       std::to_string(plan.client_outputs()) +
                       " outputs, expected as many of each");
  }
  const auto sources = pair_outputs(plan);
  for (std::size_t i = 0; i < plan.client_outputs(); ++i) {
    const TensorSpec& in = plan.inputs[sources[i]];
    const TensorSpec& out = plan.outputs[i];
    if (in.type != out.type) {
      return invalid_arg("identity back end: " + pair_text(plan, in, out) +
                         ": expected the same datatype, got " + config_type_name(in.type) +
                         " and " + config_type_name(out.type));
    }
    if (!(backend_dims(in) == backend_dims(out))) {
      return invalid_arg("identity back end: " + pair_text(plan, in, out) +
                         ": expected the same shape, got " + to_string(backend_dims(in)) + " and " +
                         to_string(backend_dims(out)));
    }
  }
  return {};
}

std::unique_ptr<NativeInstance> make_identity_instance(IdentityOptions options) {
  return std::make_unique<IdentityInstance>(options);
}

}  // namespace penstock
