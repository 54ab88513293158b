// What `fetch` says on stdout: lines for a person, or with --json one object a line whose keys stay.
//
//     {"event":"held", "info_hash_v1"|"info_hash_v2", "result"}                   nothing to do: the entry that
//     completed it earlier
//     {"event":"going_on", "info_hash_v1"|"info_hash_v2"}                         an attempt of an earlier run is taken
//     up
//     {"event":"metadata", "attempt", "name", "files", "bytes", "after_s"}   after_s: where peers gave it
//     {"event":"progress", "attempt", "state", "done", "total", "rate", "peers", "seeds", "web_seeds", "files",
//     "files_sealed"}
//                                                                 bytes; at most every two seconds, when it changed
//     {"event":"result", "attempt", "result", "state", "info_hash_v1"|"info_hash_v2", "name", "files", "files_sealed",
//     "bytes_sealed",
//      "files_left_out", "uploaded_payload_bytes", "reason", "detail", "missing":[{"path","size","verified_bytes"}],
//      "missing_more"}                                            as in the log's acquisition.result
//     {"event":"timestamp", "text"}   {"event":"next", "command"}
//
// Names and paths that are no UTF-8 have U+FFFD in their place; the exact bytes are in the file list. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "agent/work/acquisition.h"

namespace impound::agent {

class FetchReport {
 public:
  /// `out`: takes what goes to stdout, to the byte.
  FetchReport(bool json, std::function<void(std::string const&)> out) : json_(json), out_(std::move(out)) {}

  bool json() const { return json_; }
  void held(InfoHashes const& hashes, EntryId const& result);
  void going_on(InfoHashes const& hashes);
  /// With json(): what is new of them. A person is shown it on the terminal.
  void progress(std::map<EntryId, TorrentProgress> const& torrents);
  void outcome(AcquisitionOutcome const& outcome);
  void timestamp(std::string const& text);
  void next(std::string const& command);

 private:
  void print(Json const& event);
  void metadata(EntryId const& attempt, TorrentProgress const& torrent);

  bool json_;
  std::function<void(std::string const&)> out_;
  std::map<EntryId, std::string> told_;  // of each attempt: its last progress, "" before any
  std::set<EntryId> named_;              // whose metadata was told
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace impound::agent
