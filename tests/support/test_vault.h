// A small vault for tests: log, sealing and WARC writer over any two Disks, with a clock and randomness from one seed.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/custody_log.h"
#include "evidence/formats/hex.h"
#include "evidence/sealing.h"
#include "evidence/signing_key.h"
#include "evidence/vault.h"
#include "evidence/warc/writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/test_key.h"

namespace impound::evidence {

/// A folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "impound-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  std::string path(std::string const& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }

 private:
  std::string path_;
};

/// What was asked of it must succeed: each call REQUIREs.
class TestVault {
 public:
  static constexpr char const* origin = "agent.example/evidence";

  /// An empty folder becomes a vault with its first two entries; the one of an earlier TestVault is opened again.
  TestVault(Disk& vault, Disk& state, std::uint32_t owner, std::uint64_t seed = 1)
      : vault_(vault), state_(state), randomness_(seed), key_(test_key()), maker_(clock_, randomness_) {
    auto identity = VaultIdentity::make(origin, key_.vkey(origin), "2017-05-05T18:00:00.000000Z");
    REQUIRE(identity);
    if (!vault.facts_of("vault.toml")) {
      REQUIRE(make_vault_folders(vault));
      Entry const first = made({.kind = "vault.created", .body = identity.value().created_body()});
      auto created = CustodyLog::create(vault, state, key_, origin, first.bytes);
      REQUIRE(created);
      log_ = std::move(created).value();
      REQUIRE(write_whole(vault, "vault.toml", bytes_of(identity.value().toml), Replace::no));
    } else {
      auto opened = CustodyLog::open(vault, state, key_, origin);
      REQUIRE(opened);
      log_ = std::move(opened).value();
    }
    EntryId const session = new_id();
    Entry const started = made({.kind = "agent.started", .body = {{"version", "0.1.0"}}, .id = session});
    maker_.session(session);
    REQUIRE(log_->append(std::vector{started.bytes}));
    sealing_ =
        std::make_unique<Sealing>(vault, owner, [this](std::vector<EntryDraft> drafts) { return record(drafts); });
    auto warc = WarcWriter::open(vault, clock_, randomness_, {"impound/test"}, {});
    REQUIRE(warc);
    warc_ = std::move(warc).value();
  }

  EntryId new_id() { return EntryId::make(clock_, randomness_); }
  Sealing& sealing() { return *sealing_; }
  CustodyLog& log() { return *log_; }
  std::string vkey() const { return key_.vkey(origin); }

  Result<void> record(std::vector<EntryDraft> const& drafts) {
    std::vector<std::string> entries;
    for (EntryDraft const& draft : drafts) {
      IMPOUND_TRY(entry, maker_.make(draft));
      entries.push_back(entry.bytes);
    }
    IMPOUND_CHECK(log_->append(entries));
    return ok();
  }

  ToSeal to_seal(std::string staged_path, std::uint64_t size) {
    EntryDraft exhibit{.kind = "exhibit.sealed", .body = {{"path", "a file"}}, .id = new_id()};
    return ToSeal{std::move(staged_path), size, {}, std::move(exhibit)};
  }

  /// An exhibit of these bytes; the object's path.
  std::string seal(std::string_view bytes) {
    auto sealed =
        sealing_->seal_bytes(bytes_of(bytes), {.kind = "exhibit.sealed", .body = {{"path", "a file"}}, .id = new_id()});
    REQUIRE(sealed);
    REQUIRE_FALSE(sealed.value().refused);
    return object_path(*sealed.value().sha256);
  }

  /// One exchange in WARC and its entries.
  std::vector<WrittenRecord> capture(std::string body) {
    WarcRecord request{"request", make_record_id(randomness_), "http://paste.example/1", clock_.utc_us(), {}, {}, {}};
    request.headers = {{"Content-Type", "application/http; msgtype=request"}};
    request.block = "GET /1 HTTP/1.1\r\nHost: paste.example\r\n\r\n";
    WarcRecord response = request;
    response.type = "response";
    response.record_id = make_record_id(randomness_);
    response.headers = {{"Content-Type", "application/http; msgtype=response"},
                        {"WARC-Concurrent-To", "<" + request.record_id + ">"}};
    response.block = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    response.payload_offset = response.block.size();
    response.block += body;
    auto written = warc_->write(std::vector{request, response});
    REQUIRE(written);
    EntryId const attempt = new_id();
    Json records = Json::array();
    for (WrittenRecord const& record : written.value()) records.push_back(to_json(record));
    REQUIRE(record({{.kind = "capture.attempt", .body = {{"url", request.target_uri}}, .id = attempt},
                    {.kind = "capture.result", .body = {{"kept", true}, {"records", records}}, .of = attempt}}));
    return written.value();
  }

  /// The log is handed on to `next`, which must outlive this.
  void rotate(SigningKey const& next) {
    publish();
    Json const body = rotation_body(log_->signing_key(), next, log_->checkpoint(), "");
    REQUIRE(log_->rotate(made({.kind = "key.rotated", .body = body}).bytes, next));
  }

  void publish() { REQUIRE(log_->publish()); }
  void stop() {
    REQUIRE(record({{.kind = "agent.stopped"}}));
    publish();
  }

  FakeClock& clock() { return clock_; }
  SeededRandomness& randomness() { return randomness_; }

 private:
  Entry made(EntryDraft const& draft) {
    auto entry = maker_.make(draft);
    REQUIRE(entry);
    return std::move(entry).value();
  }

  Disk& vault_;
  Disk& state_;
  FakeClock clock_;
  SeededRandomness randomness_;
  SigningKey const& key_;
  EntryMaker maker_;
  std::unique_ptr<CustodyLog> log_;
  std::unique_ptr<Sealing> sealing_;
  std::unique_ptr<WarcWriter> warc_;
};

}  // namespace impound::evidence
