// Which files of a torrent are taken, and why the others are left: torrents.include, .exclude, .max_file_bytes and a
// magnet's so= (BEP 53).
//
// A pattern has * (any bytes, also '/') and ? (one byte), letters A-Z count as a-z. One with a '/' is held against the
// whole path (the torrent's name is its first part), one without against each file's own name. A selection is part of
// the attempt: what an attempt leaves is decided once, also for the runs that take it up. Any thread; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evidence/formats/canonical_json.h"
#include "fetchers/torrents/metainfo.h"

namespace impound::agent {

struct FileSelection {
  std::vector<std::string> include;  // at least one must match; none: all do
  std::vector<std::string> exclude;  // beats include
  std::optional<std::uint64_t> file_bytes_max{};
  std::string select_only{};  // so=, as the magnet has it; what is no list of numbers and ranges selects everything

  bool everything() const { return include.empty() && exclude.empty() && !file_bytes_max && select_only.empty(); }
};

/// Why each file is left, "" for those that are taken. Padding is never taken and has ""; nor is a symbolic link, which
/// has its reason whatever is selected.
std::vector<std::string> why_left_out(FileSelection const& selection, fetchers::Metainfo const& torrent);

/// "0,2,4-7" as ranges, both ends included; nothing when it is no such list, or has more than 1,024 parts.
std::optional<std::vector<std::pair<std::uint64_t, std::uint64_t>>> parse_select_only(std::string_view text);

/// For acquisition.attempt; an empty object when everything is taken. A so= that is no list, or longer than 1,000
/// bytes, is not in it.
Json selection_json(FileSelection const& selection);
FileSelection selection_of(Json const& attempt_body);

/// Bytes against a pattern as above; time is at most the product of both lengths.
bool pattern_matches(std::string_view pattern, std::string_view text);

}  // namespace impound::agent
