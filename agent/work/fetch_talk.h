// What who asked for torrents hears of them, whether the asking process has the vault or another that holds it: lines
// and events on stdout, remarks on stderr, and at the end the commands that come next.
//
// One thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/work/acquisition.h"
#include "agent/work/fetch_report.h"
#include "agent/work/routes.h"
#include "evidence/values/error.h"

namespace impound::agent {

class FetchTalk {
 public:
  struct Voice {
    std::function<void(std::string const&)> say;  // a line on stderr
    std::function<void(std::string const&)> out;  // stdout
    std::function<void(Error const&)> fail;       // one target's failure; others go on
  };
  /// `vault`: as --vault names it, "" for the default; for the commands that come next.
  FetchTalk(bool json, Voice voice, std::string const& vault);

  /// Of a target that was begun. `sources`: how many it names; `asks_dht`: for those that name none. False: it will
  /// not be had.
  bool begun(InfoHashes const& hashes, Begun const& begun, std::size_t sources, bool asks_dht);
  /// Anything of it that is still to come is waited for.
  bool waits() const { return !attempts_.empty(); }
  bool waits_for(EntryId const& attempt) const { return attempts_.contains(attempt); }
  void progress(std::map<EntryId, TorrentProgress> const& torrents);
  /// Of one that is waited for. False: it is not what was wanted.
  bool outcome(AcquisitionOutcome const& outcome);
  /// Once nothing more comes.
  void end();
  /// One target's failure; others go on.
  void fail(Error const& error) { voice_.fail(error); }
  void timestamp(std::string const& text) { report_.timestamp(text); }
  bool json() const { return report_.json(); }

 private:
  Voice voice_;
  std::string vault_flag_;
  FetchReport report_;
  std::set<EntryId> attempts_;
  std::vector<std::string> next_;
};

}  // namespace impound::agent
