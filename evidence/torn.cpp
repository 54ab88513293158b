#include "evidence/torn.h"

#include <utility>

namespace impound::evidence {

Result<std::string> set_aside(Disk& vault, std::string_view path, std::string_view name) {
  constexpr int tries_max = 100'000;
  std::string const wanted = "staging/torn/" + std::string(name);
  for (int count = 0; count < tries_max; ++count) {
    std::string to = count == 0 ? wanted : wanted + "." + std::to_string(count);
    auto moved = vault.rename(path, to, Replace::no);
    if (moved) return to;
    if (moved.error().code != Code::exists) return std::move(moved).error();
  }
  return Error{Code::exists, "every name is taken", wanted, "Look through staging/torn and empty it."};
}

}  // namespace impound::evidence
