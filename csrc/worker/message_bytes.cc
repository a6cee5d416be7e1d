// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/message_bytes.h"

namespace penstock::worker {
namespace {

template <std::size_t I>
void read_value(MessageReader& reader, Parameter& parameter) {
  using T = std::variant_alternative_t<I, decltype(Parameter::value)>;
  if constexpr (std::is_same_v<T, std::string>) {
    parameter.value = std::string(reader.text());
  } else if constexpr (std::is_same_v<T, bool>) {
    parameter.value = reader.flag();  // any byte, but a bool
  } else {
    parameter.value = reader.get<T>();
  }
}

}  // namespace

void MessageWriter::tensor(const TensorView& view) {
  put(view.type);
  put(static_cast<std::uint8_t>(view.shape.rank()));
  for (const std::int64_t dim : view.shape.dims()) put(dim);
}

void MessageWriter::parameters(const Recycled<Parameter>& parameters) {
  put(static_cast<std::uint32_t>(parameters.size()));
  for (const Parameter& parameter : parameters) {
    text(parameter.name);
    put(static_cast<std::uint8_t>(parameter.value.index()));
    std::visit(
        [this](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
            text(value);
          } else {
            put(value);
          }
        },
        parameter.value);
  }
}

void MessageReader::tensor(TensorView& view) {
  view = TensorView{};
  const auto type = get<std::uint8_t>();
  const auto rank = get<std::uint8_t>();
  if (type == 0 || type >= kDataTypeCount || rank > Shape::kMaxRank) return fail();
  view.type = static_cast<DataType>(type);
  for (std::uint8_t i = 0; i < rank; ++i) view.shape.push_back(get<std::int64_t>());
}

void MessageReader::parameters(Recycled<Parameter>& parameters) {
  const std::uint32_t count = this->count();
  for (std::uint32_t i = 0; i < count && !failed_; ++i) {
    Parameter& parameter = parameters.append();
    parameter.name = text();
    switch (get<std::uint8_t>()) {
      case 0:
        read_value<0>(*this, parameter);
        break;
      case 1:
        read_value<1>(*this, parameter);
        break;
      case 2:
        read_value<2>(*this, parameter);
        break;
      case 3:
        read_value<3>(*this, parameter);
        break;
      case 4:
        read_value<4>(*this, parameter);
        break;
      default:
        fail();
    }
  }
}

std::uint32_t MessageReader::count() {
  const auto count = get<std::uint32_t>();
  if (count > left_.size()) {  // each takes at least a byte
    failed_ = true;
    return 0;
  }
  return count;
}

}  // namespace penstock::worker
