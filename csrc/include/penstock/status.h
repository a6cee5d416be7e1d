// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Status and Result: the one way the request path says "no".
//
// Thread safety: values; share them like an int. Ownership: a failed Status owns its message, an
// OK one is a null pointer and costs nothing. Nothing here blocks. The core throws only while it is
// being built; between submit and complete everything is a Status.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace penstock {

// The eight error codes of the protocol (contract 1.0), and one of ours. The values are the wire's:
// Triton's C API and every client enumerate them in this order.
enum class Code : std::uint8_t {
  kUnknown = 0,
  kInternal = 1,
  kNotFound = 2,
  kInvalidArg = 3,
  kUnavailable = 4,
  kUnsupported = 5,
  kAlreadyExists = 6,
  kCancelled = 7,
  kDeadlineExceeded = 8,  // the client's deadline has passed
};
inline constexpr int kCodeCount = 9;

// "Invalid argument", "Not found", ... (contract 1.0, column 2).
std::string_view code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(Code code, std::string message)
      : rep_(std::make_unique<Rep>(Rep{code, std::move(message), 0})) {}
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  Status(const Status& other) : rep_(other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr) {}
  Status& operator=(const Status& other) {
    if (this != &other) rep_ = other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr;
    return *this;
  }

  [[nodiscard]] bool ok() const { return rep_ == nullptr; }
  // Meaningless when ok().
  [[nodiscard]] Code code() const { return rep_ ? rep_->code : Code::kUnknown; }
  [[nodiscard]] const std::string& message() const;
  // The same code with `prefix` put before the message; OK stays OK.
  [[nodiscard]] Status with_prefix(std::string_view prefix) &&;
  // When the client may hope for more luck; 0: that is not known.
  [[nodiscard]] std::int64_t retry_after_ns() const { return rep_ ? rep_->retry_after_ns : 0; }
  [[nodiscard]] Status with_retry_after(std::int64_t ns) &&;

 private:
  struct Rep {
    Code code;
    std::string message;
    std::int64_t retry_after_ns;
  };
  std::unique_ptr<Rep> rep_;
};

inline Status invalid_arg(std::string m) { return {Code::kInvalidArg, std::move(m)}; }
inline Status internal_error(std::string m) { return {Code::kInternal, std::move(m)}; }
inline Status not_found(std::string m) { return {Code::kNotFound, std::move(m)}; }
inline Status unavailable(std::string m) { return {Code::kUnavailable, std::move(m)}; }
inline Status unsupported(std::string m) { return {Code::kUnsupported, std::move(m)}; }

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT
  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  [[nodiscard]] T& value() { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const { return std::get<0>(state_); }
  [[nodiscard]] Status take_status() { return ok() ? Status{} : std::move(std::get<1>(state_)); }
  [[nodiscard]] const Status& status() const { return std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

#define PENSTOCK_RETURN_IF_ERROR(expr)                       \
  do {                                                       \
    if (::penstock::Status s_ = (expr); !s_.ok()) return s_; \
  } while (false)

}  // namespace penstock
