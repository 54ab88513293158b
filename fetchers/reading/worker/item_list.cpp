#include "fetchers/reading/worker/item_list.h"

#include <ctime>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::int64_t last_second = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr std::size_t time_bytes_max = 64;

void cut_at_a_character(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

bool digit(char c) { return c >= '0' && c <= '9'; }

/// "Z", "GMT", "UT", "+0200", "+02:00" as seconds east of Greenwich.
std::optional<std::int64_t> offset_of(std::string_view zone) {
  if (zone == "Z" || zone == "z" || zone == "GMT" || zone == "UT" || zone == "UTC") return 0;
  if (zone.size() == 6 && zone[3] == ':') {
    std::string const without = std::string(zone.substr(0, 3)).append(zone.substr(4));
    return offset_of(without);
  }
  if (zone.size() != 5 || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  for (std::size_t i = 1; i < 5; ++i)
    if (!digit(zone[i])) return std::nullopt;
  std::int64_t const hours = (zone[1] - '0') * 10 + (zone[2] - '0');
  std::int64_t const minutes = (zone[3] - '0') * 10 + (zone[4] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  std::int64_t const seconds = hours * 3600 + minutes * 60;
  return zone[0] == '-' ? -seconds : seconds;
}

std::optional<std::int64_t> seconds_of(std::string_view digits) {
  if (digits.empty() || digits.size() > 12) return std::nullopt;
  std::int64_t seconds = 0;
  for (char const c : digits) {
    if (!digit(c)) return std::nullopt;
    seconds = seconds * 10 + (c - '0');
  }
  return seconds;
}

/// A calendar's time as one of `formats` has it, then fractions of a second, then a zone.
std::optional<std::int64_t> calendar_of(std::string const& text) {
  for (char const* const format :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%a, %d %b %Y %H:%M:%S", "%d %b %Y %H:%M:%S"}) {
    std::tm time{};
    char const* at = ::strptime(text.c_str(), format, &time);
    if (at == nullptr) continue;
    if (*at == '.')
      for (++at; digit(*at);) ++at;
    while (*at == ' ') ++at;
    auto const offset = offset_of(at);
    if (!offset) return std::nullopt;
    return static_cast<std::int64_t>(::timegm(&time)) - *offset;
  }
  return std::nullopt;
}

}  // namespace

Error malformed_list(std::string what) { return {Code::malformed, "the site's list: " + std::move(what), {}, {}}; }
Error refused_list(std::string what) { return {Code::refused, "the site's list: " + std::move(what), {}, {}}; }

std::optional<std::int64_t> listed_time(std::string_view text) {
  if (text.empty() || text.size() > time_bytes_max || text.find('\0') != text.npos) return std::nullopt;
  auto seconds = seconds_of(text);
  if (!seconds) seconds = calendar_of(std::string(text));
  if (!seconds || *seconds < 0 || *seconds > last_second) return std::nullopt;
  return *seconds * 1'000'000;
}

Result<void> ItemListing::check_count(std::size_t entries) const {
  if (entries <= std::min<std::uint64_t>(limits_.items_max, profile_.list.items_max)) return ok();
  return refused_list("it has " + std::to_string(entries) + " items");
}

void ItemListing::add(ListedFields fields) {
  std::string const& name = profile_.list.key;
  if (fields.key.empty()) return add_unreadable("an entry has no " + name);
  auto key = profile_.key_in(fields.key);
  if (!key) return add_unreadable("an entry's " + name + " holds no key of this site");
  if (!profile_.is_key(*key)) return add_unreadable("an entry's " + name + " is no key of this site");
  if (!seen_.insert(*key).second) return;
  ListedItem item{std::move(*key), std::move(fields.title), std::move(fields.author), listed_time(fields.time),
                  std::move(fields.raw)};
  cut_at_a_character(item.title, limits_.field_bytes_max);
  cut_at_a_character(item.author, limits_.field_bytes_max);
  list_.items.push_back(std::move(item));
}

void ItemListing::add_unreadable(std::string why) {
  if (list_.unreadable++ == 0) list_.unreadable_why = malformed_list(std::move(why)).what;
}

}  // namespace impound::fetchers
