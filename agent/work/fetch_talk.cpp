#include "agent/work/fetch_talk.h"

#include <utility>

#include "agent/work/outcome_text.h"
#include "agent/work/past.h"

namespace impound::agent {

namespace {

std::string hint_for(AcquisitionOutcome const& outcome) {
  if (outcome.reason == "no_peers" || outcome.reason == "no_metadata")
    return "Name a peer with --peer HOST:PORT, or try again later";
  if (outcome.reason == "disk_full") return "Make room on the vault's disk and run the same command again";
  if (outcome.reason == "refused_limits") return "Raise the limit in the settings if this torrent is wanted";
  if (outcome.detail.starts_with(worker_does_not_start))
    return "The torrent is not at fault: make the sandbox possible as said above, then run the same command again";
  return "Run the same command again to try once more";
}

}  // namespace

FetchTalk::FetchTalk(bool json, Voice voice, std::string const& vault)
    : voice_(std::move(voice)), vault_flag_(vault.empty() ? "" : " --vault " + vault), report_(json, voice_.out) {}

bool FetchTalk::begun(InfoHashes const& hashes, Begun const& begun, std::size_t sources, bool asks_dht) {
  if (begun.erased) {
    voice_.fail(Error{Code::refused, "bytes of this torrent were erased by order, so it is no longer held",
                      text(hashes), "impound show " + begun.erased->text() + vault_flag_ + " says on whose"});
    return false;
  }
  if (begun.attempt) attempts_.insert(*begun.attempt);
  if (begun.held) {
    voice_.say("held already  " + text(hashes) + " (entry " + begun.held->text() + ")");
    report_.held(hashes, *begun.held);
    next_.push_back("impound show " + short_hash(hashes) + vault_flag_);
  } else if (begun.metadata_there) {
    voice_.say("the metadata is held already; an acquisition of the payload is still open: " + text(hashes));
    next_.push_back("impound show " + short_hash(hashes) + vault_flag_);
  } else if (begun.taken_up) {
    voice_.say("going on with an acquisition of an earlier run: " + text(hashes));
    report_.going_on(hashes);
  } else if (begun.running_already) {
    voice_.say("this torrent is being acquired already: " + text(hashes));
    report_.going_on(hashes);
  } else if (sources == 0 && !asks_dht) {
    voice_.say("neither tracker nor peer is named, and the DHT is not asked: give a peer with --peer");
  }
  return true;
}

void FetchTalk::progress(std::map<EntryId, TorrentProgress> const& torrents) {
  if (report_.json()) report_.progress(torrents);
}

bool FetchTalk::outcome(AcquisitionOutcome const& outcome) {
  attempts_.erase(outcome.attempt);
  report_.outcome(outcome);
  bool const good = outcome.state == "complete" || outcome.state == "metadata_only";
  if (!good && !outcome.goes_on_as)
    voice_.fail(Error{Code::unreachable, outcome.state + ": " + reason_text(outcome.reason), short_hash(outcome.hashes),
                      hint_for(outcome)});
  if (outcome.files_sealed > 0 || good) next_.push_back("impound show " + short_hash(outcome.hashes) + vault_flag_);
  if (outcome.files_sealed > 0)
    next_.push_back("impound checkout " + short_hash(outcome.hashes) + " DIR" + vault_flag_);
  return good || outcome.goes_on_as;
}

void FetchTalk::end() {
  for (std::string const& command : std::exchange(next_, {})) report_.next(command);
}

}  // namespace impound::agent
