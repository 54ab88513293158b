// Judges a log folder by recomputing all of it the plain way, without the code that wrote it: every bundle is read, the
// hashes of every level are made from the entries, and each tile is compared byte for byte. Also the entries, for
// comparing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/merkle.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/log_reader.h"
#include "evidence/system/disk.h"

namespace impound::evidence {

struct WholeLog {
  std::uint64_t size = 0;
  std::vector<std::string> entries;
  std::vector<std::string> faults;  // empty: whole
  Sha256 root_at(std::uint64_t at) const {
    MerkleFrontier frontier;
    for (std::uint64_t i = 0; i < at; ++i) frontier.add(leaf_hash(bytes_of(entries[i])));
    return frontier.root();
  }
};

inline void files_below(Disk& disk, std::string const& folder, std::set<std::string>& paths) {
  auto listed = disk.list(folder, 10'000'000);
  if (!listed) return;
  for (FolderEntry const& entry : listed.value()) {
    std::string const path = folder + "/" + entry.name;
    if (entry.type == FileFacts::Type::folder)
      files_below(disk, path, paths);
    else
      paths.insert(path);
  }
}

inline WholeLog whole_log(Disk& vault, std::string const& vkey) {
  WholeLog log;
  auto const fault = [&](std::string what) { log.faults.push_back(std::move(what)); };
  auto reader = LogReader::open(vault, vkey);
  if (!reader) return fault(line(reader.error())), log;
  log.size = reader.value().checkpoint().size;
  std::vector<LeafHash> hashes;
  auto read = reader.value().each(0, log.size, [&](std::uint64_t, std::string_view entry) -> Result<void> {
    log.entries.emplace_back(entry);
    hashes.push_back(leaf_hash(bytes_of(entry)));
    return ok();
  });
  if (!read) return fault(line(read.error())), log;
  if (log.root_at(log.size) != reader.value().checkpoint().root) fault("the entries do not hash to the root");

  std::set<std::string> expected{"log/checkpoint"};
  for (unsigned level = 0; !hashes.empty(); ++level) {
    std::vector<LeafHash> above;
    for (std::size_t first = 0; first < hashes.size(); first += tile_width) {
      auto const width = static_cast<unsigned>(std::min<std::size_t>(tile_width, hashes.size() - first));
      std::string bytes;
      MerkleFrontier tree;
      for (std::size_t i = first; i < first + width; ++i) {
        bytes += text_of(hashes[i].bytes);
        tree.add(hashes[i]);
      }
      std::string const path = "log/" + tile_path({false, level, first / tile_width, width});
      expected.insert(path);
      if (level == 0) expected.insert("log/" + tile_path({true, 0, first / tile_width, width}));
      auto tile = read_whole(vault, path, tile_bytes);
      if (!tile || tile.value() != bytes) fault(path + " is not what the entries hash to");
      if (width == tile_width) above.push_back(as_node(tree.root()));
    }
    hashes = std::move(above);
  }
  std::set<std::string> present;
  files_below(vault, "log", present);
  for (std::string const& path : present)
    if (!expected.contains(path)) fault(path + " belongs to no log of this size");
  return log;
}

}  // namespace impound::evidence
