// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A serialised ModelInferRequest. Input: a byte that chooses the model, the message.
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "echo.h"

namespace penstock::fuzz {
namespace {

// A ModelInferResponse as the ModelInferRequest of the same tensors: only the number of the raw
// contents differs. All fields are length-delimited.
std::string as_request(const std::string& response) {
  constexpr protozero::pbf_tag_type kRawOutputContents = 6;
  constexpr protozero::pbf_tag_type kRawInputContents = 7;
  std::string request;
  protozero::pbf_writer writer(request);
  protozero::pbf_reader reader(response);
  while (reader.next()) {
    const auto tag = reader.tag();
    writer.add_bytes(tag == kRawOutputContents ? kRawInputContents : tag, reader.get_view());
  }
  return request;
}

}  // namespace

void Echo::grpc(Model model, std::string_view message) {
  const ModelPlan& plan = plans_[static_cast<std::size_t>(model)];
  Exchange first(plan);
  if (!decode_grpc(first, message)) return;
  GrpcCodec::Target target;
  require(grpc_.peek(testing::span_of(first.body), target).ok(),
          "what is decoded can be peeked at");
  require(target.id == first.request.id, "both read the same id");
  Reply reply;
  if (const Status status = grpc_.encode(first.request.response, reply); !status.ok()) {
    require_client_error(status);  // a classification that cannot be
  }
  first.request.outputs.clear();
  require(grpc_.encode(first.request.response, reply).ok(), "every tensor has its raw bytes");
  require_segments(reply);
  const std::string text = testing::text_of(reply);
  Exchange second(plan);
  require(decode_grpc(second, as_request(text)), "an answer is a request");
  Reply second_reply;
  require(grpc_.encode(second.request.response, second_reply).ok(), "it is answered as well");
  require(testing::text_of(second_reply) == text, "with the same bytes");
}

}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  static Echo echo;
  if (size == 0) return -1;
  echo.grpc(static_cast<Model>(data[0] % kModelCount), text_of(data + 1, size - 1));
  return 0;
}
