#include "agent/work/record_view.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/past.h"
#include "evidence/formats/hex.h"
#include "evidence/sealing.h"
#include "evidence/values/utc_time.h"
#include "fetchers/torrents/swarm_record.h"

namespace impound::agent {

using namespace fetchers;
using evidence::ReadEntry;

namespace {

constexpr std::size_t rows_max = 50;  // of each kind, for people

std::string number(std::uint64_t value) { return std::to_string(value); }
std::string time_text(std::uint64_t us) { return utc_text(static_cast<std::int64_t>(us)); }

void row(char const* name, std::string const& text) { std::printf("%-13s %s\n", name, text.c_str()); }

/// What a tracker or web seed came to, over all that was asked of it.
struct Asked {
  std::uint64_t times = 0;
  std::uint64_t failures = 0;
  std::uint64_t most = 0;  // peers that one answer named; of a web seed: bytes
  std::string last;
};

/// Takes a record's items in their order, and prints what they come to.
class Gathered {
 public:
  void take(RecordItem const& item) {
    std::visit([this](auto const& one) { take_one(one); }, item);
  }

  void print() const {
    for (std::string const& one : workers_) row("worker", one);
    if (table_) {
      RecordTable const& table = *table_;
      std::uint64_t const known = table.blocks - table.unknown_blocks - table.absent_blocks;
      row("blocks", number(table.blocks) + " of 16 KiB: " + number(known) + " from " + number(table.senders) +
                        " sender(s), " + number(table.unknown_blocks) + " from nobody known, " +
                        number(table.absent_blocks) + " not there");
    }
    for (std::size_t i = 0; i < senders_.size() && i < rows_max; ++i) print(senders_[i]);
    more("from", senders_.size());
    for (std::size_t i = 0; i < failed_.size() && i < rows_max; ++i) row("failed", failed_[i]);
    more("failed", failed_.size());
    row("peers", number(peers_.size()) + " reached, " + number(unreached_.size()) + " not reached");
    print("tracker", trackers_, " announce(s), at most ", " peer(s)");
    for (auto const& [url, text] : scrapes_) row("scrape", shown(url, 200) + ": " + text);
    if (searches_ > 0) row("dht", number(searches_) + " search(es), at most " + number(found_most_) + " peer(s)");
    print("web seed", exchanges_, " exchange(s), ", " bytes");
    if (left_out_ > 0) row("left out", number(left_out_) + " item(s) found no room: --json says of which kind");
  }

 private:
  void take_one(RecordHead const& head) {
    workers_.push_back(shown(head.engine, 100) + ", since " + time_text(head.begun_us));
    ++worker_;
  }
  void take_one(RecordPeer const& peer) {
    if (!peer.connected_us) {
      unreached_.emplace(worker_, peer.number);
      return;
    }
    peers_.emplace(worker_, peer.number);
    about_[peer.at] = peer;
  }
  void take_one(RecordTracker const& one) {
    Asked& asked = trackers_[one.url];
    if (one.warning.empty()) ++asked.times;
    if (!one.error.empty()) ++asked.failures;
    asked.most = std::max(asked.most, one.peers.value_or(0));
    asked.last = !one.error.empty() ? one.error : one.warning;
  }
  void take_one(RecordScrape const& one) {
    auto const count = [](std::optional<std::uint64_t> const& value) { return value ? number(*value) : "?"; };
    scrapes_[one.url] = !one.error.empty()
                            ? shown(one.error, 200)
                            : count(one.complete) + " complete, " + count(one.incomplete) + " incomplete, " +
                                  count(one.downloaded) + " downloaded, at " + time_text(one.time_us);
  }
  void take_one(RecordDht const& dht) {
    ++searches_;
    found_most_ = std::max(found_most_, dht.peers);
  }
  void take_one(RecordCertificate const&) {}
  void take_one(RecordExchange const& one) {
    Asked& asked = exchanges_[one.web_seed];
    ++asked.times;
    asked.most += one.bytes;
    if (!one.outcome.empty()) ++asked.failures;
    asked.last = one.outcome;
  }
  void take_one(RecordFailedPiece const& failed) {
    std::string text = "piece " + number(failed.piece) + " at " + time_text(failed.time_us) + ":";
    std::size_t told = 0;
    for (auto const& run : failed.from)
      if (++told <= rows_max)
        text += " " + number(run.blocks) + " from " + (run.from ? name(*run.from) : "nobody known") + ",";
    text.back() = '.';
    failed_.push_back(std::move(text));
  }
  void take_one(RecordWebSeed const& seed) { web_seeds_[web_seed_address(seed.url)] = seed.url; }
  void take_one(RecordTable const& table) {
    table_ = table;
    senders_.clear();
  }
  void take_one(RecordSenders const& senders) {
    senders_.insert(senders_.end(), senders.rows.begin(), senders.rows.end());
  }
  void take_one(RecordBlocks const&) {}
  void take_one(RecordLeftOut const& left) { left_out_ = left.sum(); }

  std::string name(RecordAddress const& at) const {
    auto const seed = web_seeds_.find(at);
    return seed == web_seeds_.end() ? record_address_text(at) : shown(seed->second, 200);
  }
  void print(RecordSenders::Row const& sender) const {
    std::string text = name(sender.at) + "  " + number(sender.blocks) + " block(s), " + number(sender.bytes) + " bytes";
    if (auto const peer = about_.find(sender.at); peer != about_.end()) {
      if (!peer->second.client.empty()) text += ", " + shown(peer->second.client, 60);
      for (std::string const& source : peer->second.sources) text += ", by " + shown(source, 16);
    }
    row("from", text);
  }
  static void print(char const* what, std::map<std::string, Asked> const& all, char const* times, char const* most) {
    std::size_t printed = 0;
    for (auto const& [url, asked] : all) {
      if (++printed > rows_max) break;
      std::string text = shown(url, 200) + ": " + number(asked.times) + times + number(asked.most) + most;
      if (asked.failures > 0) text += ", " + number(asked.failures) + " failed";
      if (!asked.last.empty()) text += ", last: " + shown(asked.last, 200);
      row(what, text);
    }
    more(what, all.size());
  }
  static void more(char const* what, std::size_t count) {
    if (count > rows_max) row(what, "and " + number(count - rows_max) + " more: --json has them all");
  }

  using Connection = std::pair<std::size_t, std::uint64_t>;  // its worker, and its number there
  std::size_t worker_ = 0;
  std::vector<std::string> workers_;
  std::set<Connection> peers_;
  std::set<Connection> unreached_;
  std::map<RecordAddress, RecordPeer> about_;  // the newest of each address
  std::map<std::string, Asked> trackers_;
  std::map<std::string, Asked> exchanges_;
  std::map<std::string, std::string> scrapes_;
  std::vector<std::string> failed_;
  std::map<RecordAddress, std::string> web_seeds_;
  std::optional<RecordTable> table_;
  std::vector<RecordSenders::Row> senders_;
  std::uint64_t searches_ = 0, found_most_ = 0;
  std::uint64_t left_out_ = 0;
};

/// The object of the record that is meant, if it is one and there.
Result<std::optional<Sha256>> find_record(std::optional<EntryId> const& id, std::optional<Sha256> const& object,
                                          VaultReading& reading) {
  std::optional<Sha256> found;
  std::optional<std::string> exhibit;
  IMPOUND_TRY(places, reading.ask([&](index::Index& index) -> Result<index::Places> {
    index::Places by_id, by_object, erased;
    if (id) {
      IMPOUND_TRY(place, index.entry(*id));
      IMPOUND_TRY(erasures, index.erasures_of(*id));
      if (place) by_id = {*place};
      erased = std::move(erasures);
    }
    if (object) {
      IMPOUND_TRY(exhibits, index.of_object(*object));
      by_object = std::move(exhibits);
    }
    return index::joined({by_id, by_object, erased});
  }));
  IMPOUND_CHECK(reading.each_of(places, [&](ReadEntry const& entry, std::string_view) -> Result<void> {
    if (entry.kind() == "exhibit.erased" && found && text_field(entry.body(), "exhibit") == exhibit) found.reset();
    if (entry.kind() != "exhibit.sealed" || entry.text("role") != "swarm_record") return ok();
    auto const digest = digest_from_hex<Sha256>(text_field(entry.body(), "sha256").value_or(""));
    bool const meant = (id && entry.id() == *id) || (object && digest == object);
    if (!meant || !digest) return ok();
    found = digest;
    exhibit = entry.id().text();
    return ok();
  }));
  return found;
}

}  // namespace

Result<bool> show_record(std::optional<EntryId> const& id, std::optional<Sha256> const& object, VaultReading& reading,
                         bool json) {
  if (!id && !object) return false;
  IMPOUND_TRY(digest, find_record(id, object, reading));
  if (!digest) return false;
  IMPOUND_TRY(bytes, read_whole(reading.vault->disk(), evidence::object_path(*digest), record_bytes_max));
  if (!json) std::printf("swarm record  %s, %zu bytes\n", hex(*digest).c_str(), bytes.size());
  RecordReader reader{bytes};
  Gathered gathered;
  while (true) {
    IMPOUND_TRY(item, reader.next());
    if (!item) break;
    if (json)
      std::printf("%s\n", json_line(record_json(*item)).c_str());
    else
      gathered.take(*item);
  }
  if (!json) gathered.print();
  return true;
}

}  // namespace impound::agent
