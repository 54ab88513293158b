// Result<T>: a T, or the Error that says why there is none. Nothing in impound throws across a function that returns
// one.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/success_failure.hpp>
#include <utility>

#include "evidence/values/error.h"

namespace impound {

/// Reading the value of a failed Result (or the error of a good one) ends the process: it is our own bug, never input.
template <class T>
using Result = boost::outcome_v2::basic_result<T, Error, boost::outcome_v2::policy::terminate>;

/// The value of a Result<void> that went well.
inline auto ok() { return boost::outcome_v2::success(); }

}  // namespace impound

#define IMPOUND_JOIN2(a, b) a##b
#define IMPOUND_JOIN(a, b) IMPOUND_JOIN2(a, b)

/// `IMPOUND_TRY(name, expr);` declares `name` with expr's value, or returns its error from the enclosing function.
#define IMPOUND_TRY(name, ...) IMPOUND_TRY_NAMED(IMPOUND_JOIN(result_of_line_, __LINE__), name, __VA_ARGS__)
#define IMPOUND_TRY_NAMED(temporary, name, ...)        \
  auto temporary = (__VA_ARGS__);                      \
  if (!temporary) return std::move(temporary).error(); \
  auto name = std::move(temporary).value()

/// `IMPOUND_CHECK(expr);` for a Result whose value nobody needs.
#define IMPOUND_CHECK(...)                                   \
  do {                                                       \
    auto result_here = (__VA_ARGS__);                        \
    if (!result_here) return std::move(result_here).error(); \
  } while (false)
