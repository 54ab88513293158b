#include "evidence/values/utc_time.h"

#include <time.h>

#include <cstdio>

namespace impound {

std::string utc_text(std::int64_t us) {
  time_t const seconds = static_cast<time_t>(us / 1'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(us % 1'000'000));
  return text;
}

std::optional<std::int64_t> utc_us_from(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < shape.size() + 1 || text.back() != 'Z') return std::nullopt;
  int numbers[6] = {};
  int at = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 'd') {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      numbers[at] = numbers[at] * 10 + (text[i] - '0');
    } else {
      if (text[i] != shape[i]) return std::nullopt;
      ++at;
    }
  }
  std::string_view fraction = text.substr(shape.size(), text.size() - shape.size() - 1);
  std::int64_t us = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 10) return std::nullopt;
    fraction.remove_prefix(1);
    for (std::size_t i = 0; i < fraction.size(); ++i) {
      if (fraction[i] < '0' || fraction[i] > '9') return std::nullopt;
      if (i < 6) us = us * 10 + (fraction[i] - '0');
    }
    for (std::size_t i = fraction.size(); i < 6; ++i) us *= 10;
  }
  tm parts{};
  parts.tm_year = numbers[0] - 1900;
  parts.tm_mon = numbers[1] - 1;
  parts.tm_mday = numbers[2];
  parts.tm_hour = numbers[3];
  parts.tm_min = numbers[4];
  parts.tm_sec = numbers[5];
  tm const asked = parts;
  time_t const seconds = ::timegm(&parts);
  // timegm mends 31 February into March; what it had to mend was no date.
  if (seconds < 0 || parts.tm_mday != asked.tm_mday || parts.tm_mon != asked.tm_mon || parts.tm_hour != asked.tm_hour ||
      parts.tm_min != asked.tm_min || parts.tm_sec != asked.tm_sec)
    return std::nullopt;
  return static_cast<std::int64_t>(seconds) * 1'000'000 + us;
}

}  // namespace impound
