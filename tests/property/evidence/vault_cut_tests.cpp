// The whole of evidence/ under a power cut at every step: start, seal, capture, append, publish, stop. After the next
// start has recovered, the vault verifies and every acknowledged entry is in it, in order.
#include <cstdlib>
#include <map>

#include "evidence/custody_log.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/log_reader.h"
#include "evidence/sealing.h"
#include "evidence/start_recovery.h"
#include "evidence/vault.h"
#include "evidence/verify/vault_check.h"
#include "evidence/warc/unlogged.h"
#include "evidence/warc/writer.h"
#include "tests/support/counts.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

constexpr char const* vault_folder = "v";
constexpr char const* state_folder = "s";

/// A session of the agent in small: what it does at its start, and its work. Any step may fail.
struct Session {
  std::unique_ptr<Disk> vault;
  std::unique_ptr<Disk> state;
  FakeClock clock;
  SeededRandomness randomness;
  SigningKey const& key = test_key();
  EntryMaker maker{clock, randomness};
  std::unique_ptr<CustodyLog> log;
  std::unique_ptr<Sealing> sealing;
  std::unique_ptr<WarcWriter> warc;
  std::vector<EntryId> acknowledged;
  std::vector<Sha256> named;
  std::map<std::string, std::uint64_t> logged_end;
  std::set<EntryId> logged;

  Session(SimulatedDisk& disk, std::uint64_t seed)
      : vault(disk.folder(vault_folder)), state(disk.folder(state_folder)), randomness(seed) {}

  Result<void> record(std::vector<EntryDraft> const& drafts) {
    std::vector<std::string> entries;
    std::vector<EntryId> ids;
    for (EntryDraft const& draft : drafts) {
      IMPOUND_TRY(entry, maker.make(draft));
      entries.push_back(entry.bytes);
      ids.push_back(entry.id);
      if (draft.kind == "exhibit.sealed")
        named.push_back(*digest_from_hex<Sha256>(draft.body["sha256"].get<std::string>()));
    }
    IMPOUND_CHECK(log->append(entries));
    acknowledged.insert(acknowledged.end(), ids.begin(), ids.end());
    return ok();
  }

  Result<void> read_log() {
    IMPOUND_TRY(reader, LogReader::open(*vault, key.vkey(TestVault::origin)));
    auto const take = [this](std::uint64_t index, std::string_view bytes) -> Result<void> {
      IMPOUND_TRY(entry, read_entry(index, bytes));
      logged.insert(entry.id());
      if (entry.kind() == "exhibit.sealed") named.push_back(*digest_from_hex<Sha256>(*entry.text("sha256")));
      if (entry.kind() != "capture.result") return ok();
      for (Json const& json : entry.body().at("records")) {
        IMPOUND_TRY(record, written_record_from(json));
        std::uint64_t& end = logged_end[record.file];
        end = std::max(end, record.offset + record.length);
      }
      return ok();
    };
    return reader.each(0, reader.checkpoint().size, take);
  }

  Result<void> start() {
    IMPOUND_TRY(opened, CustodyLog::open(*vault, *state, key, TestVault::origin));
    log = std::move(opened);
    IMPOUND_CHECK(read_log());
    EntryId const session = EntryId::make(clock, randomness);
    IMPOUND_CHECK(record({{.kind = "agent.started", .body = {{"version", "0.1.0"}}, .id = session}}));
    maker.session(session);
    sealing = std::make_unique<Sealing>(*vault, SimulatedDisk::owner,
                                        [this](std::vector<EntryDraft> const& drafts) { return record(drafts); });
    IMPOUND_CHECK(sealing->recover([this](EntryId const& id) { return logged.contains(id); }));
    IMPOUND_CHECK(set_aside_unnamed(*vault, named));
    IMPOUND_CHECK(set_aside_unlogged(*vault, logged_end));
    IMPOUND_TRY(writer, WarcWriter::open(*vault, clock, randomness, "impound/test"));
    warc = std::move(writer);
    return ok();
  }

  Result<void> capture(std::string const& body) {
    WarcRecord const response{
        "response", {}, "http://paste.example/1", clock.utc_us(), {}, "HTTP/1.1 200 OK\r\n\r\n" + body, {}};
    EntryId const attempt = EntryId::make(clock, randomness);
    IMPOUND_CHECK(record({{.kind = "capture.attempt", .body = {{"url", response.target_uri}}, .id = attempt}}));
    IMPOUND_TRY(written, warc->write({&response, 1}));
    Json records = Json::array();
    for (WrittenRecord const& one : written) records.push_back(to_json(one));
    return record({{.kind = "capture.result", .body = {{"records", records}}, .of = attempt}});
  }

  Result<void> work() {
    std::vector<ToSeal> files;
    for (int i = 0; i < 2; ++i) {
      EntryDraft const exhibit{
          .kind = "exhibit.sealed", .body = {{"path", "x"}}, .id = EntryId::make(clock, randomness)};
      files.push_back({"staging/swarm/a/" + std::to_string(i), 5, {}, exhibit});
    }
    IMPOUND_CHECK(capture("first"));
    IMPOUND_CHECK(sealing->seal(files));
    IMPOUND_CHECK(log->publish());
    IMPOUND_CHECK(sealing->seal_bytes(
        bytes_of("a list"),
        {.kind = "exhibit.sealed", .body = {{"path", "y"}}, .id = EntryId::make(clock, randomness)}));
    return capture("second");
  }

  Result<void> stop() {
    IMPOUND_CHECK(record({{.kind = "agent.stopped"}}));
    return log->publish();
  }
};

std::unique_ptr<SimulatedDisk> prepared() {
  auto disk = std::make_unique<SimulatedDisk>();
  disk->put_folder(vault_folder);
  disk->put_folder(state_folder);
  auto const vault = disk->folder(vault_folder);
  auto const state = disk->folder(state_folder);
  {
    TestVault writer(*vault, *state, SimulatedDisk::owner);
    writer.seal("of an earlier session");
    writer.capture("of an earlier session");
    writer.stop();
  }
  disk->put_folder("v/staging/swarm/a");
  for (char const* name : {"0", "1"}) {
    auto file = DiskFile::open(*vault, std::string("staging/swarm/a/") + name, Open::create);
    REQUIRE(file);
    REQUIRE(file.value().write(0, bytes_of("file" + std::string(name))));
  }
  return disk;
}

/// What is wrong after the next start: nothing, if all is well.
std::string wrong_at_next_start(SimulatedDisk& disk, std::vector<EntryId> const& acknowledged) {
  Session next(disk, 1'000);
  if (auto started = next.start(); !started) return "start: " + line(started.error());
  if (auto stopped = next.stop(); !stopped) return "stop: " + line(stopped.error());
  VerifyOptions options;
  options.vkey = test_key().vkey(TestVault::origin);
  options.state = next.state.get();
  options.threads = 1;
  Verdict const verdict = verify_vault(*next.vault, options);
  if (!verdict.ok() || !verdict.not_checked.empty()) return verdict.to_json().dump(1);

  std::vector<EntryId> there;
  auto reader = LogReader::open(*next.vault, test_key().vkey(TestVault::origin));
  if (!reader) return line(reader.error());
  auto read = reader.value().each(0, reader.value().checkpoint().size,
                                  [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
                                    IMPOUND_TRY(entry, read_entry(index, bytes));
                                    there.push_back(entry.id());
                                    return ok();
                                  });
  if (!read) return line(read.error());
  std::size_t at = 0;
  for (EntryId const& id : acknowledged) {
    while (at < there.size() && there[at] != id) ++at;
    if (at == there.size()) return "an acknowledged entry is not there, or not in order";
  }
  return {};
}

/// One session that ends as `plan` says, then a power cut.
std::string wrong_after(FaultPlan plan, std::uint64_t seed, SimulatedDisk::Drop const& drop = {}) {
  auto const disk = prepared();
  if (drop) disk->drop_syncs(drop);
  disk->plan(plan);
  std::vector<EntryId> acknowledged;
  {
    Session session(*disk, 2);
    if (session.start() && session.work()) (void)session.stop();
    acknowledged = session.acknowledged;
  }
  auto const after = disk->after_power_cut(seed);
  return wrong_at_next_start(*after, acknowledged);
}

}  // namespace

TEST_CASE(
    "P1: whatever step the power fails at, the next start recovers, every acknowledged entry is there and the vault "
    "verifies") {
  std::size_t steps = 0;
  {
    auto const disk = prepared();
    std::size_t const before = disk->steps();
    Session quiet(*disk, 2);
    REQUIRE(quiet.start());
    REQUIRE(quiet.work());
    REQUIRE(quiet.stop());
    steps = disk->steps() - before;
    CHECK(disk->accusations().empty());
  }
  CHECK(steps > 100);
  std::uint64_t const seeds = tries(24, 3);
  std::size_t worlds = 0;
  for (std::size_t step = 1; step <= steps; ++step) {
    for (Fault const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done}) {
      for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        CAPTURE(step);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(seed);
        std::string const wrong = wrong_after({step, fault}, seed);
        CHECK_MESSAGE(wrong.empty(), wrong);
        ++worlds;
      }
    }
  }
  MESSAGE(worlds << " power cuts over " << steps << " steps");
}

TEST_CASE("P1: canary: a writer that leaves out one kind of sync is caught") {
  for (std::string const path : {"warc", "objects", "journal"}) {
    CAPTURE(path);
    std::size_t caught = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto const drop = [&path](std::string_view, std::string_view where) {
        return where.find(path) != std::string_view::npos;
      };
      for (std::size_t step : {70u, 80u, 90u})
        if (!wrong_after({step, Fault::cut_after}, seed, drop).empty()) ++caught;
    }
    CHECK(caught > 0);
  }
}
