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
#include "evidence/warc/capture_end.h"
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
  LoggedWarcs warcs;
  std::set<EntryId> open;  // captures
  std::size_t adopted = 0;
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
      warcs.take(entry);
      if (entry.kind() == "capture.attempt") open.insert(entry.id());
      if (entry.kind() == "capture.result") open.erase(*entry.of());
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
    IMPOUND_TRY(settled, settle_unlogged(*vault, warcs, [this](EntryId const& id) { return open.contains(id); }));
    for (AdoptedCapture const& one : settled.adopted) {
      ++adopted;
      Json body = one.result;
      for (WrittenRecord const& record : one.records) body["records"].push_back(to_json(record));
      IMPOUND_CHECK(record({{.kind = "capture.result", .body = body, .of = one.attempt}}));
    }
    if (!settled.adopted.empty()) {
      IMPOUND_CHECK(log->publish());
      warcs = {};
      IMPOUND_CHECK(read_log());
    }
    IMPOUND_TRY(left, close_left_files(*vault, warcs, clock));
    for (ClosedWarc const& one : left) IMPOUND_CHECK(record({{.kind = "warc.closed", .body = to_json(one)}}));
    IMPOUND_TRY(writer, WarcWriter::open(*vault, clock, randomness, {"impound/test"}, warcs));
    warc = std::move(writer);
    return ok();
  }

  Result<void> capture(std::string const& body) {
    WarcRecord const response{
        "response", {}, "http://paste.example/1", clock.utc_us(), {}, "HTTP/1.1 200 OK\r\n\r\n" + body, {}};
    EntryId const attempt = EntryId::make(clock, randomness);
    IMPOUND_CHECK(record({{.kind = "capture.attempt", .body = {{"url", response.target_uri}}, .id = attempt}}));
    WarcRecord end{"metadata", {}, response.target_uri, clock.utc_us(), {}, {}, {}};
    Json metadata;
    add_capture_end(metadata, {attempt, 2, {{"kept", true}}});
    IMPOUND_TRY(text, canonical(metadata));
    end.block = text;
    IMPOUND_TRY(written, warc->write(std::vector{response, end}));
    Json records = Json::array();
    for (WrittenRecord const& one : written) records.push_back(to_json(one));
    IMPOUND_CHECK(record({{.kind = "capture.result", .body = {{"records", records}}, .of = attempt}}));
    warc->all_named();
    return ok();
  }

  /// The file is a day old, and is closed.
  Result<void> close() {
    clock.advance(warc_file_age_max_us);
    IMPOUND_TRY(closed, warc->close_if_due());
    if (!closed) return Error{Code::not_found, "no file was due", {}, {}};
    return record({{.kind = "warc.closed", .body = to_json(*closed)}});
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
    IMPOUND_CHECK(capture("second"));
    IMPOUND_CHECK(close());
    return capture("third");
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
  LoggedWarcs warcs;
  auto reader = LogReader::open(*next.vault, test_key().vkey(TestVault::origin));
  if (!reader) return line(reader.error());
  auto read = reader.value().each(0, reader.value().checkpoint().size,
                                  [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
                                    IMPOUND_TRY(entry, read_entry(index, bytes));
                                    there.push_back(entry.id());
                                    warcs.take(entry);
                                    return ok();
                                  });
  if (!read) return line(read.error());
  for (auto const& [file, said] : warcs.files())
    if (said.closed != (next.vault->facts_of(file).value().mode == 0400))
      return "closed in the log or by its mode alone";
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
