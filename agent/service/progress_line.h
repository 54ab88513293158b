// A torrent's progress as one line for a person, in as many columns as there are. Pure; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impound::agent {

struct TorrentProgress {
  std::string hash;   // to show it by
  std::string name;   // raw bytes; "" before the metadata
  std::string state;  // a word of the worker's, or what it waits for
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0 before the metadata
  std::uint64_t rate = 0;   // payload bytes a second
  std::uint64_t peers = 0;
  std::uint64_t seeds = 0;
  std::uint64_t web_seeds = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // of all its files
  std::uint64_t files_sealed = 0;
  std::optional<std::chrono::seconds> metadata_after{};  // where peers gave it: since it was asked for
};

/// Until it is whole at this rate; nothing where that cannot be said.
std::optional<std::chrono::seconds> time_left(TorrentProgress const& progress);

/// "45 s", "12 min", "3 h 20 min", "2 d 4 h".
std::string duration_text(std::chrono::seconds duration);

/// At most so many columns. What matters least goes first where there are few: the bar, the bytes, the peers.
std::string progress_line(TorrentProgress const& progress, std::size_t columns);

/// As a terminal draws it: characters of East Asian scripts take two, marks that sit on others none.
std::size_t columns_of(std::string_view text);

/// What fits, with "…" for the rest. Of a text that is safe to show (shown()).
std::string cut_to_columns(std::string_view text, std::size_t columns);

}  // namespace impound::agent
