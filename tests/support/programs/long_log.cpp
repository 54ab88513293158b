// long_log VAULT STATE ENTRIES: a vault whose log has so many entries, as years of watching leave them: captures of
// pastes, polls, acquisitions of 50 files each with their digests, now and then an incident. Its objects are not there.
// Prints the info-hash of an acquisition in the middle and the vkey.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/custody_log.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/signing_key.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"
#include "evidence/vault.h"

namespace {

using namespace impound;
using namespace impound::evidence;

template <class T>
T good(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "long_log: %s\n", line(result.error()).c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

std::string digest(std::uint64_t number, std::size_t digits) {
  return hex(sha256(bytes_of(std::to_string(number)))).substr(0, digits);
}

/// Entries as they come, appended a thousand at a time.
class Writer {
 public:
  Writer(CustodyLog& log, EntryMaker& maker, Clock& clock, Randomness& randomness)
      : log_(log), maker_(maker), clock_(clock), randomness_(randomness) {}
  EntryId tell(std::string kind, Json body, std::optional<EntryId> of = {}, std::optional<EntryId> cause = {}) {
    EntryId const id = EntryId::make(clock_, randomness_);
    group_.push_back(
        good(maker_.make({std::move(kind), std::move(body), {}, std::move(cause), std::move(of), {}, id})).bytes);
    if (group_.size() == 1000) flush();
    return id;
  }
  void flush() {
    if (!group_.empty()) good(log_.append(group_));
    group_.clear();
  }
  std::uint64_t size() const { return log_.size() + group_.size(); }

 private:
  CustodyLog& log_;
  EntryMaker& maker_;
  Clock& clock_;
  Randomness& randomness_;
  std::vector<std::string> group_;
};

void acquisition(Writer& writer, std::uint64_t number) {
  Json const hashes{{"info_hash_v1", digest(number, 40)}};
  Json body = hashes;
  body["route"] = "direct";
  auto const attempt = writer.tell("acquisition.attempt", body);
  body = hashes;
  body["exhibit"] = attempt.text();
  body["name_hex"] = "6c65616b";
  writer.tell("acquisition.metadata", body, attempt);
  for (std::uint64_t i = 0; i < 50; ++i) {
    std::string const sha256 = digest(number * 1000 + i, 64);
    std::string const path = "leak/mail/" + std::to_string(i) + ".eml";
    auto const exhibit =
        writer.tell("exhibit.sealed",
                    {{"role", "payload"},
                     {"sha256", sha256},
                     {"size", 10'000 + i},
                     {"origin", {{"type", "torrent"}, {"path", path}, {"path_hex", hex(bytes_of(path))}}}},
                    attempt);
    writer.tell("exhibit.digested",
                {{"exhibit", exhibit.text()}, {"sha256", sha256}, {"sha1", digest(i, 40)}, {"md5", digest(i, 32)}},
                exhibit);
  }
  body = hashes;
  body.update({{"state", "complete"},
               {"files", 50},
               {"files_sealed", 50},
               {"uploaded_payload_bytes", 0},
               {"downloaded_payload_bytes", 500'000}});
  writer.tell("acquisition.result", body, attempt);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::filesystem::create_directories(argv[1]);
  std::filesystem::create_directories(argv[2]);
  auto const vault = good(LinuxDisk::open_at(argv[1]));
  auto const state = good(LinuxDisk::open_at(argv[2]));
  std::uint64_t const entries = std::strtoull(argv[3], nullptr, 10);
  SystemClock clock;
  SystemRandomness randomness;
  std::string const origin = "bench.example/custody";
  SigningKey const key = SigningKey::make(randomness);
  auto const identity = good(VaultIdentity::make(origin, key.vkey(origin), "2017-05-05T18:00:00.000000Z"));
  good(make_vault_folders(*vault));
  EntryMaker maker{clock, randomness};
  Entry const first = good(maker.make({.kind = "vault.created", .body = identity.created_body()}));
  auto const log = good(CustodyLog::create(*vault, *state, key, origin, first.bytes));
  good(write_whole(*vault, "vault.toml", bytes_of(identity.toml), Replace::no));
  maker.session(EntryId::make(clock, randomness));
  Writer writer{*log, maker, clock, randomness};
  std::uint64_t acquisitions = 0;
  for (std::uint64_t n = 0; writer.size() < entries; ++n) {
    std::string const item = std::to_string(n), url = "http://paste.example/" + item;
    auto const attempt =
        writer.tell("capture.attempt", {{"url", url}, {"source", "pastes"}, {"key", item}, {"route", "direct"}});
    auto const result = writer.tell(
        "capture.result", {{"outcome", "captured"}, {"url", url}, {"kept", false}, {"references", n % 20 == 0 ? 1 : 0}},
        attempt);
    if (n % 20 == 0) writer.tell("job.closed", {{"what", "references worked off"}}, {}, result);
    if (n % 30 == 0) writer.tell("source.polled", {{"source", "pastes"}, {"polls", 10}, {"new", 1}, {"failed", 0}});
    if (n % 500 == 0) writer.tell("incident.raised", {{"what", "a file of an acquisition could not be sealed"}});
    if (n % 50 == 0) acquisition(writer, acquisitions++);
  }
  writer.flush();
  good(log->publish());
  std::printf("%s %s\n", digest(acquisitions / 2, 40).c_str(), key.vkey(origin).c_str());
  return 0;
}
