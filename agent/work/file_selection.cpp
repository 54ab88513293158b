#include "agent/work/file_selection.h"

#include <algorithm>

#include "agent/work/past.h"

namespace impound::agent {

namespace {

constexpr std::size_t parts_max = 1024;
constexpr std::size_t select_only_bytes_max = 1000;

char folded(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool matches_file(std::string const& pattern, fetchers::TorrentFile const& file) {
  bool const whole = pattern.find('/') != std::string::npos;
  return pattern_matches(pattern, whole || file.components.empty() ? file.path_bytes : file.components.back());
}

std::string const* first_match(std::vector<std::string> const& patterns, fetchers::TorrentFile const& file) {
  auto const found = std::find_if(patterns.begin(), patterns.end(),
                                  [&](std::string const& pattern) { return matches_file(pattern, file); });
  return found == patterns.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> number_of(std::string_view digits) {
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  std::uint64_t number = 0;
  for (char const c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

std::string why(FileSelection const& selection, fetchers::TorrentFile const& file, bool selected) {
  if (!selected) return "not among so=" + selection.select_only.substr(0, 200);
  if (auto const* pattern = first_match(selection.exclude, file)) return "torrents.exclude has " + *pattern;
  if (!selection.include.empty() && first_match(selection.include, file) == nullptr)
    return "nothing in torrents.include matches";
  if (selection.file_bytes_max && file.size > *selection.file_bytes_max)
    return "larger than torrents.max_file_bytes, " + std::to_string(*selection.file_bytes_max);
  return {};
}

}  // namespace

bool pattern_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, after_star = std::string_view::npos, star_at = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;  // it first stands for nothing, and takes a byte more whenever the rest does not match
      star_at = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || folded(pattern[p]) == folded(text[t]))) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++star_at;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::optional<std::vector<std::pair<std::uint64_t, std::uint64_t>>> parse_select_only(std::string_view text) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  while (true) {
    auto const comma = text.find(',');
    auto const part = text.substr(0, comma);
    auto const dash = part.find('-');
    auto const first = number_of(part.substr(0, dash));
    auto const last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1));
    if (!first || !last || *first > *last || ranges.size() == parts_max) return std::nullopt;
    ranges.emplace_back(*first, *last);
    if (comma == std::string_view::npos) return ranges;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string> why_left_out(FileSelection const& selection, fetchers::Metainfo const& torrent) {
  std::vector<std::string> left(torrent.files.size());
  auto const ranges = parse_select_only(selection.select_only);
  std::vector<bool> selected(torrent.files.size(), !ranges.has_value());
  if (ranges)
    for (auto const& [first, last] : *ranges)
      for (std::uint64_t i = first; i <= last && i < selected.size(); ++i) selected[i] = true;
  // Numbers that no file has select nothing: then the link is wrong, and everything is taken.
  if (std::find(selected.begin(), selected.end(), true) == selected.end()) selected.assign(selected.size(), true);
  for (std::size_t i = 0; i < left.size(); ++i) {
    fetchers::TorrentFile const& file = torrent.files[i];
    if (file.symlink) left[i] = "symbolic link: recorded, never created";
    if (file.payload()) left[i] = why(selection, file, selected[i]);
  }
  return left;
}

Json selection_json(FileSelection const& selection) {
  Json json = Json::object();
  if (!selection.include.empty()) json["include"] = selection.include;
  if (!selection.exclude.empty()) json["exclude"] = selection.exclude;
  if (selection.file_bytes_max) json["max_file_bytes"] = json_number(*selection.file_bytes_max);
  if (selection.select_only.size() <= select_only_bytes_max && parse_select_only(selection.select_only))
    json["select_only"] = selection.select_only;
  return json;
}

FileSelection selection_of(Json const& attempt_body) {
  auto const found = attempt_body.find("selection");
  if (found == attempt_body.end() || !found->is_object()) return {};
  return {texts_field(*found, "include"), texts_field(*found, "exclude"), count_field(*found, "max_file_bytes"),
          text_field(*found, "select_only").value_or("")};
}

}  // namespace impound::agent
