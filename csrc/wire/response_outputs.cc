// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/response_outputs.h"

#include <cstring>
#include <string>

#include "wire/region_tensors.h"

namespace penstock::wire {
namespace {

const RequestedOutput* find_requested(const Request& request, std::uint32_t spec) {
  for (const RequestedOutput& output : request.outputs) {
    if (output.spec == spec) return &output;
  }
  return nullptr;
}

}  // namespace

Status ResponseOutputs::add(const Request& request, const OutputTensor& output,
                            const SharedRegions* regions) {
  const ModelPlan& plan = request.plan();
  if (output.spec >= plan.outputs.size()) {
    return internal_error("response has an output that model '" + plan.name + "' has not");
  }
  const TensorSpec& spec = plan.outputs[output.spec];
  const RequestedOutput* requested = find_requested(request, output.spec);
  if (requested && requested->window.held()) {
    PENSTOCK_RETURN_IF_ERROR(put_output(regions, requested->window, spec.name, output.view));
    OutgoingTensor& tensor = tensors_.emplace_back();
    tensor.name = spec.name;
    tensor.view.type = output.view.type;
    tensor.view.shape = output.view.shape;
    tensor.in_region = true;
    return {};
  }
  if (output.view.memory == MemoryKind::kGpu) {
    return internal_error("output '" + spec.name + "' is not in host memory");
  }
  OutgoingTensor& tensor = tensors_.emplace_back();
  tensor.name = spec.name;
  tensor.view = output.view;
  tensor.binary = requested ? requested->binary : request.binary_data_output;
  if (!requested || requested->class_count == 0) return {};
  Classified classes;
  PENSTOCK_RETURN_IF_ERROR(
      classifier_.classify(spec, output.view, plan.batching(), requested->class_count, classes));
  tensor.view = TensorView{};
  tensor.view.type = DataType::kBytes;
  tensor.view.shape = classes.shape;
  tensor.view.size_bytes = classes.size_bytes;
  replaced_.push_back({tensors_.size() - 1, classes.offset});
  return {};
}

Status ResponseOutputs::place_classified(BufferPool& pool, Reply& reply) {
  const std::string& bytes = classifier_.bytes();
  reply.extra = pool.acquire(bytes.size());
  if (!reply.extra) {
    return unavailable("no memory left for " + std::to_string(bytes.size()) +
                       " bytes of classification");
  }
  if (!bytes.empty()) std::memcpy(reply.extra->data, bytes.data(), bytes.size());
  for (const Replaced& replaced : replaced_) {
    tensors_[replaced.tensor].view.data = reply.extra->data + replaced.offset;
  }
  return {};
}

Status ResponseOutputs::resolve(const Response& response, const SharedRegions* regions,
                                BufferPool& pool, Reply& reply) {
  tensors_.clear();
  replaced_.clear();
  classifier_.clear();
  for (const OutputTensor& output : response.outputs) {
    PENSTOCK_RETURN_IF_ERROR(add(*response.request, output, regions));
  }
  return replaced_.empty() ? Status{} : place_classified(pool, reply);
}

}  // namespace penstock::wire
