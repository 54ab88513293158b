#include "agent/service/progress_line.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>
#include <vector>

#include "agent/service/terminal.h"
#include "evidence/formats/utf8.h"

namespace impound::agent {

namespace {

constexpr std::size_t name_columns_min = 10;
constexpr std::size_t name_columns_max = 40;
constexpr std::size_t bar_columns_min = 8;
constexpr std::size_t bar_columns_max = 30;
constexpr std::size_t bar_from_columns = 59;  // the terminal keeps the last one free

/// The system's table, in a locale that every Debian has, whatever the user's is. What it does not know is taken for
/// wide: a line that is too short harms nobody.
std::size_t columns_of_point(char32_t point) {
  static locale_t const utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return point < 0x300 ? 1 : 2;
  locale_t const before = ::uselocale(utf8);
  int const columns = ::wcwidth(static_cast<wchar_t>(point));
  ::uselocale(before);
  return columns < 0 ? 2 : static_cast<std::size_t>(columns);
}

/// Whole characters, with the columns that each takes.
template <class Each>
void each_character(std::string_view text, Each each) {
  while (!text.empty()) {
    Utf8Character const one = first_character(text);
    std::size_t const bytes = one.bytes == 0 ? 1 : one.bytes;
    if (!each(text.substr(0, bytes), one.bytes == 0 ? 1 : columns_of_point(one.point))) return;
    text.remove_prefix(bytes);
  }
}

std::string bar_of(std::uint64_t permille, std::size_t columns) {
  std::size_t const inside = columns - 2;
  std::size_t const full = static_cast<std::size_t>(permille) * inside / 1000;
  return "[" + std::string(full, '#') + std::string(inside - full, '-') + "]";
}

std::string state_text(std::string const& state) {
  if (state.empty()) return "starting";
  return state == "metadata" ? "looking for metadata" : state;
}

struct Part {
  std::string text;
  unsigned goes;  // which goes first where there is no room; 0: none does
};

std::vector<Part> parts_of(TorrentProgress const& progress, std::uint64_t permille) {
  std::vector<Part> parts;
  bool const downloading = progress.state == "downloading";
  if (!downloading) parts.push_back({state_text(progress.state), 0});
  if (progress.total > 0) {
    std::string percent = std::to_string(permille / 10) + "%";
    percent.insert(0, 4 - std::min<std::size_t>(4, percent.size()), ' ');
    parts.push_back({std::move(percent), 0});
    parts.push_back({bytes_text(progress.done) + " of " + bytes_text(progress.total), 1});
  }
  if (downloading) parts.push_back({bytes_text(progress.rate) + "/s", 3});
  if (downloading || progress.peers > 0)
    parts.push_back({std::to_string(progress.peers) + (progress.peers == 1 ? " peer" : " peers"), 2});
  if (progress.web_seeds > 0)
    parts.push_back({std::to_string(progress.web_seeds) + (progress.web_seeds == 1 ? " web seed" : " web seeds"), 2});
  if (auto const left = time_left(progress)) parts.push_back({duration_text(*left) + " left", 4});
  return parts;
}

std::string joined(std::vector<Part> const& parts) {
  std::string text;
  for (Part const& part : parts) text += "  " + part.text;
  return text;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  each_character(text, [&](std::string_view, std::size_t one) { return columns += one, true; });
  return columns;
}

std::string cut_to_columns(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  std::string cut;
  std::size_t left = columns == 0 ? 0 : columns - 1;
  each_character(text, [&](std::string_view character, std::size_t one) {
    if (one > left) return false;
    cut += character;
    left -= one;
    return true;
  });
  return columns == 0 ? "" : cut + "…";
}

std::optional<std::chrono::seconds> time_left(TorrentProgress const& progress) {
  if (progress.rate == 0 || progress.state != "downloading" || progress.done >= progress.total) return std::nullopt;
  return std::chrono::seconds{static_cast<std::int64_t>((progress.total - progress.done) / progress.rate)};
}

std::string duration_text(std::chrono::seconds duration) {
  auto const seconds = std::max<std::int64_t>(duration.count(), 0);
  auto const two = [](std::int64_t first, char const* one, std::int64_t second, char const* other) {
    return std::to_string(first) + one + (second > 0 ? " " + std::to_string(second) + other : "");
  };
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  if (seconds < 86'400) return two(seconds / 3600, " h", seconds % 3600 / 60, " min");
  return two(seconds / 86'400, " d", seconds % 86'400 / 3600, " h");
}

std::string progress_line(TorrentProgress const& progress, std::size_t columns) {
  std::uint64_t const done = std::min(progress.done, progress.total);
  std::uint64_t const permille =
      progress.total == 0 ? 0 : static_cast<std::uint64_t>(static_cast<long double>(done) * 1000 / progress.total);
  std::vector<Part> parts = parts_of(progress, permille);
  // Of an ordinary terminal the bar is a part; on a narrow one it is the first to go.
  std::size_t const for_bar = progress.total > 0 && columns >= bar_from_columns ? 2 + bar_columns_min : 0;
  for (unsigned goes = 1; goes <= 4 && name_columns_min + for_bar + columns_of(joined(parts)) > columns; ++goes)
    std::erase_if(parts, [goes](Part const& part) { return part.goes == goes; });
  std::string const rest = joined(parts);
  std::size_t const taken = columns_of(rest);
  std::size_t const room = columns > taken ? columns - taken : 0;

  std::string const whole_name = shown(progress.name.empty() ? progress.hash : progress.name, 200);
  std::size_t name_columns = std::min({columns_of(whole_name), name_columns_max, room});
  std::string bar;
  if (progress.total > 0 && room >= name_columns_min + 2 + bar_columns_min) {
    name_columns = std::min(name_columns, room - 2 - bar_columns_min);
    bar = "  " + bar_of(permille, std::min(bar_columns_max, room - 2 - name_columns));
  }
  return cut_to_columns(cut_to_columns(whole_name, name_columns) + bar + rest, columns);
}

}  // namespace impound::agent
