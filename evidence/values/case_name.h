// The name of a case: [a-z0-9][a-z0-9._-]{0,63}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace impound {

class CaseName {
 public:
  static std::optional<CaseName> parse(std::string_view text) {
    auto const plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (text.empty() || text.size() > 64 || !plain(text.front())) return std::nullopt;
    for (char c : text)
      if (!plain(c) && c != '.' && c != '_' && c != '-') return std::nullopt;
    return CaseName{std::string(text)};
  }
  std::string const& text() const { return text_; }
  bool operator==(CaseName const&) const = default;

 private:
  explicit CaseName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace impound
