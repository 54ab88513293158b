// Names of WARC files: "<utc>-<n>.warc.gz", utc as 20170505T185912Z, n from 1. Private to warc/.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "evidence/values/utc_time.h"

namespace impound::evidence {

inline constexpr std::string_view warc_ending = ".warc.gz";

struct WarcFileName {
  std::string utc;
  std::uint32_t number = 0;
  auto operator<=>(WarcFileName const&) const = default;  // the order in which files were begun, as far as clocks tell

  std::string text() const { return utc + "-" + std::to_string(number) + std::string(warc_ending); }

  /// When it was begun; 1970 for digits that are no time, so that such a file is old.
  std::int64_t begun_us() const {
    std::string iso;  // as 2017-05-05T18:59:12Z
    for (std::size_t i = 0; i < utc.size(); ++i) {
      if (i == 4 || i == 6) iso += '-';
      if (i == 11 || i == 13) iso += ':';
      iso += utc[i];
    }
    return utc_us_from(iso).value_or(0);
  }

  static std::optional<WarcFileName> parse(std::string_view text) {
    constexpr std::string_view shape = "00000000T000000Z-";
    if (text.size() <= shape.size() + warc_ending.size() || !text.ends_with(warc_ending)) return std::nullopt;
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i]) return std::nullopt;
    WarcFileName name;
    name.utc = std::string(text.substr(0, shape.size() - 1));
    std::string_view const digits = text.substr(shape.size(), text.size() - shape.size() - warc_ending.size());
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), name.number);
    if (error != std::errc{} || end != digits.data() + digits.size() || name.text() != text) return std::nullopt;
    return name;
  }
};

}  // namespace impound::evidence
