// The log's key changes hands: who signs what, what a start makes of a rotation that was cut short, and what verify
// says of one that does not hold.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/key_files.h"
#include "evidence/key_rotation.h"
#include "evidence/log_reader.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {
namespace {

constexpr char const* origin = TestVault::origin;

struct Rotated {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault = disk.folder("v");
  std::unique_ptr<Disk> state = disk.folder("s");
  SigningKey const& first = test_key();
  SigningKey const& second = test_key(8);
  SigningKey const& third = test_key(9);
  std::unique_ptr<TestVault> made = std::make_unique<TestVault>(*vault, *state, SimulatedDisk::owner);

  std::string note() const { return disk.content("v/log/checkpoint"); }
  void grow() {
    REQUIRE(made->record({{.kind = "note.added", .body = {{"text", "x"}}}}));
    made->publish();
  }
  void put(std::string const& path, std::string const& bytes) {
    disk.erase(path);
    disk.put_file(path, bytes);
  }
  Verdict verdict(SigningKey const& trusted, std::vector<std::string> old_checkpoints = {}) {
    VerifyOptions options;
    options.vkey = trusted.vkey(origin);
    options.old_checkpoints = std::move(old_checkpoints);
    options.state = state.get();
    options.threads = 1;
    return verify_vault(*vault, options);
  }
  Result<std::unique_ptr<CustodyLog>> open(SigningKey const& current, SigningKey const* next = nullptr,
                                           Rollback rollback = Rollback::refuse) {
    return CustodyLog::open(*vault, *state, LogKeys{&current, next, first.public_key(origin)}, origin, rollback);
  }
  /// The body of a rotation as it should be at this moment.
  Json body(SigningKey const& from, SigningKey const& to) {
    made->publish();
    return rotation_body(from, to, made->log().checkpoint(), "");
  }
};

std::size_t lines_of(std::string const& note, SigningKey const& key) {
  auto const parsed = parse_note(note);
  NoteKey const known = key.public_key(origin);
  return parsed ? static_cast<std::size_t>(verify_note(parsed.value(), {&known, 1}).has_value()) : 0;
}

TEST_CASE("rotation: the first checkpoint is signed by both keys, the next by the new one alone") {
  Rotated r;
  r.made->rotate(r.second);
  CHECK(parse_note(r.note()).value().signatures.size() == 2);
  CHECK(lines_of(r.note(), r.first) == 1);
  CHECK(lines_of(r.note(), r.second) == 1);
  CHECK(r.disk.content("s/last-checkpoint") == r.note());
  r.grow();
  CHECK(parse_note(r.note()).value().signatures.size() == 1);
  CHECK(lines_of(r.note(), r.second) == 1);
  r.made->rotate(r.third);
  CHECK(lines_of(r.note(), r.second) == 1);
  CHECK(lines_of(r.note(), r.third) == 1);
  CHECK(lines_of(r.note(), r.first) == 0);
}

TEST_CASE("rotation: readers with the first key follow, those with the newest need not, strangers are refused") {
  Rotated r;
  r.made->rotate(r.second);
  for (int i = 0; i < 2; ++i) {
    for (SigningKey const* key : {&r.first, &r.second}) {
      auto const reader = LogReader::open(*r.vault, key->vkey(origin));
      REQUIRE(reader);
      CHECK(reader.value().checkpoint().size == r.made->log().size());
    }
    CHECK(LogReader::open(*r.vault, r.third.vkey(origin)).error().code == Code::refused);
    r.grow();
  }
  CHECK(LogReader::open(*r.vault, r.first.vkey(origin)).value().key().vkey() == r.second.vkey(origin));
}

TEST_CASE("rotation: only the newest key opens the log for writing; a retired one is told whose turn it is") {
  Rotated r;
  r.made->rotate(r.second);
  for (int i = 0; i < 2; ++i) {
    auto const old_key = r.open(r.first);
    REQUIRE_FALSE(old_key);
    CHECK(old_key.error().code == Code::usage);
    CHECK(old_key.error().what.find("retired at entry 2") != std::string::npos);
    CHECK(old_key.error().hint.find(r.second.vkey(origin)) != std::string::npos);
    CHECK(r.open(r.third).error().code == Code::usage);
    REQUIRE(r.open(r.second));
    CHECK(r.open(r.first, &r.second).value()->signing_key().vkey(origin) == r.second.vkey(origin));
    r.grow();
  }
}

TEST_CASE("rotation: an entry made for another size, another root or by another key hands nothing over") {
  Rotated r;
  Json const here = r.body(r.first, r.second);
  auto const refused = [&](Json const& body) {
    EntryMaker maker{r.made->clock(), r.made->randomness()};
    EntryId const id = r.made->new_id();
    maker.session(id);
    auto const entry = maker.make({.kind = "key.rotated", .body = body});
    REQUIRE(entry);
    std::uint64_t const before = r.made->log().size();
    CHECK(r.made->log().rotate(entry.value().bytes, r.second).error().code == Code::refused);
    CHECK(r.made->log().size() == before);
  };
  refused(r.body(r.third, r.second));  // not by the log's key
  refused(r.body(r.first, r.third));   // to another key
  Json bad = here;
  bad["signature_new"] = here["signature_old"];
  refused(bad);
  Checkpoint elsewhere = r.made->log().checkpoint();
  elsewhere.root.bytes[0] ^= std::byte{1};
  refused(rotation_body(r.first, r.second, elsewhere, ""));
  r.grow();
  refused(here);  // the place has gone by
  CHECK(r.verdict(r.first).ok());
}

TEST_CASE("rotation: one whose entry is durable is finished by the next start, signed by both") {
  Rotated r;
  Json const body = r.body(r.first, r.second);
  REQUIRE(r.made->record({{.kind = "key.rotated", .body = body}}));  // as if the power failed before the publish
  auto const alone = r.open(r.first);
  REQUIRE_FALSE(alone);
  CHECK(alone.error().code == Code::usage);
  CHECK(alone.error().what.find(r.second.vkey(origin)) != std::string::npos);
  auto finished = r.open(r.first, &r.second);
  REQUIRE(finished);
  CHECK(lines_of(r.note(), r.first) == 1);
  CHECK(lines_of(r.note(), r.second) == 1);
  CHECK(finished.value()->signing_key().vkey(origin) == r.second.vkey(origin));
}

TEST_CASE("rotation: a crash before the rename of the checkpoint is finished, too") {
  Rotated r;
  r.made->publish();
  std::string const before = r.note();
  r.made->rotate(r.second);
  r.put("v/log/checkpoint", before);
  auto finished = r.open(r.first, &r.second);
  REQUIRE_MESSAGE(finished, (finished ? "" : line(finished.error())));
  CHECK(lines_of(r.note(), r.second) == 1);
  CHECK(finished.value()->signing_key().vkey(origin) == r.second.vkey(origin));
}

TEST_CASE("rotation: a rename of the checkpoint that is lost after the old key is gone is finished without it") {
  Rotated r;
  r.made->publish();
  std::string const before = r.note();
  r.made->rotate(r.second);
  std::string const both = r.note();
  r.put("v/log/checkpoint", before);
  auto finished = r.open(r.second);
  REQUIRE_MESSAGE(finished, (finished ? "" : line(finished.error())));
  CHECK(r.note() == both);
  CHECK(r.verdict(r.first).problems.empty());
}

TEST_CASE("P2: a vault put back to before a rotation is a rollback, and cannot go on without its old key") {
  Rotated r;
  r.made->publish();
  auto const old_vault = r.disk.after_kill();
  r.made->rotate(r.second);
  r.grow();
  for (std::string const& path : r.disk.files())
    if (path.starts_with("v/log/")) r.disk.erase(path);
  for (std::string const& path : old_vault->files())
    if (path.starts_with("v/log/")) r.put(path, old_vault->content(path));
  auto const opened = r.open(r.second);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::rolled_back);
  CHECK(opened.error().hint.find("newer copy") != std::string::npos);
  CHECK(r.open(r.second, nullptr, Rollback::accept).error().code == Code::rolled_back);
  CHECK(r.open(r.first).error().code == Code::damaged);  // who kept the old key may accept it
  CHECK(r.open(r.first, nullptr, Rollback::accept));
}

TEST_CASE("P2: verify follows rotations from the old key and from the new one") {
  Rotated r;
  r.grow();
  std::string const kept = r.note();
  r.made->rotate(r.second);
  std::string const both = r.note();
  r.grow();
  r.made->rotate(r.third);
  r.grow();
  r.made->stop();
  for (SigningKey const* key : {&r.first, &r.second, &r.third}) {
    Verdict const verdict = r.verdict(*key, {kept, both});
    CHECK_MESSAGE(verdict.ok(), verdict.to_json().dump(1));
    REQUIRE(verdict.notes.size() == 1);
  }
  CHECK(r.verdict(r.first).notes[0].find("retired at entry 3; 2 rotation(s)") != std::string::npos);
  CHECK(r.verdict(r.first).notes[0].find(r.third.vkey(origin)) != std::string::npos);
  CHECK(r.verdict(r.third).notes[0].find("signs since entry 5") != std::string::npos);
  SigningKey const& stranger = test_key(1);
  Verdict const other = r.verdict(stranger);
  REQUIRE_FALSE(other.ok());
  CHECK(other.problems[0].what == What::altered);
  CHECK(other.problems[0].where == "vault.toml");
}

TEST_CASE("P2: a rotation beside a running verification is followed") {
  Rotated r;
  r.made->publish();
  std::string const object = object_path(sha256(bytes_of("new")));
  r.disk.put_file("v/" + object, "new", 0400);
  VerifyOptions options;
  options.vkey = r.first.vkey(origin);
  options.threads = 1;
  options.held_by_writer = true;
  options.wait_for_newer = [&] {
    r.made->rotate(r.second);
    r.made->seal("new");
    r.made->publish();
  };
  Verdict const verdict = verify_vault(*r.vault, options);
  CHECK_MESSAGE(verdict.ok(), verdict.to_json().dump(1));
  CHECK(lines_of(r.note(), r.second) == 1);
  CHECK(lines_of(r.note(), r.first) == 0);
}

TEST_CASE("P2: a checkpoint of a retired key beyond its rotation is not signed") {
  Rotated r;
  r.made->rotate(r.second);
  r.grow();
  r.made->stop();
  Checkpoint const newest = r.made->log().checkpoint();
  r.put("v/log/checkpoint", sign_checkpoint(newest, r.first));
  r.put("s/last-checkpoint", sign_checkpoint(newest, r.first));
  for (SigningKey const* key : {&r.first, &r.second}) {
    Verdict const verdict = r.verdict(*key);
    REQUIRE_FALSE(verdict.ok());
    CHECK(verdict.problems[0].what == What::unsigned_);
    CHECK(verdict.problems[0].where == "log/checkpoint");
    CHECK(verdict.problems[0].detail.find("retired at entry 2") != std::string::npos);
  }
  // Nor is one that somebody says he kept.
  r.put("v/log/checkpoint", sign_checkpoint(newest, r.second));
  r.put("s/last-checkpoint", sign_checkpoint(newest, r.second));
  CHECK(r.verdict(r.first).ok());
  CHECK_FALSE(r.verdict(r.first, {sign_checkpoint(newest, r.first)}).ok());
  CHECK_FALSE(r.verdict(r.first, {sign_checkpoint({origin, 1, {}}, r.second)}).ok());
}

TEST_CASE("P2: rotations that do not hold are named by their entry") {
  struct Bad {
    char const* name;
    What what;
    std::function<Json(Rotated&)> body;
  };
  auto const with = [](char const* key, Json value) {
    return [key, value](Rotated& r) {
      Json body = r.body(r.first, r.second);
      body[key] = value;
      return body;
    };
  };
  std::vector<Bad> const bads{
      {"no vkey", What::malformed, with("new_vkey", "x")},
      {"another log's key", What::malformed, with("new_vkey", test_key(8).vkey("other.example/log"))},
      {"the same key", What::malformed, with("new_vkey", test_key().vkey(origin))},
      {"no base64", What::malformed, with("signature_old", "!")},
      {"no root", What::malformed, with("root", "AAAA")},
      {"another size", What::untrusted, with("size", 1)},
      {"a signature of other bytes", What::unsigned_, with("signature_new", base64(std::array<std::byte, 64>{}))},
      {"a new key that nobody signed with", What::unsigned_, with("new_vkey", test_key(9).vkey(origin))},
      {"a stranger's", What::untrusted, [](Rotated& r) { return r.body(r.third, r.second); }},
      {"for another history", What::untrusted,
       [](Rotated& r) {
         r.made->publish();
         Checkpoint other = r.made->log().checkpoint();
         other.root.bytes[5] ^= std::byte{4};
         return rotation_body(r.first, r.second, other, "");
       }},
  };
  for (Bad const& bad : bads) {
    CAPTURE(std::string(bad.name));
    Rotated r;
    Json const body = bad.body(r);
    std::uint64_t const index = r.made->log().size();
    REQUIRE(r.made->record({{.kind = "key.rotated", .body = body}}));
    r.made->stop();
    CHECK(lines_of(r.note(), r.first) == 1);  // the writer was not moved by it
    Verdict const verdict = r.verdict(r.first);
    REQUIRE_MESSAGE(verdict.problems.size() == 1, verdict.to_json().dump(1));
    CHECK(verdict.problems[0].what == bad.what);
    CHECK(verdict.problems[0].where == "entry " + std::to_string(index));
  }
}

TEST_CASE("P2: no single bit of a rotation's entry can change unseen") {
  Rotated r;
  r.made->rotate(r.second);
  std::string const tile = "v/log/tile/entries/000.p/3";
  std::size_t const bits = r.disk.content(tile).size() * 8;
  for (std::size_t bit = 0; bit < bits; bit += 37) {
    CAPTURE(bit);
    r.disk.flip_bit(tile, bit);
    CHECK_FALSE(r.verdict(r.first).ok());
    r.disk.flip_bit(tile, bit);
  }
}

TEST_CASE("key chain: which key signs a checkpoint follows from its size") {
  KeyChain chain(test_key(1).public_key("o"));
  auto const rotation = [](unsigned char from, unsigned char to, std::uint64_t at) {
    KeyRotation made;
    made.index = made.size = at;
    made.old_key = test_key(from).public_key("o");
    made.new_key = test_key(to).public_key("o");
    return made;
  };
  CHECK_FALSE(chain.add(rotation(1, 2, 0)));
  CHECK_FALSE(chain.add(rotation(3, 2, 5)));
  CHECK(chain.add(rotation(1, 2, 5)));
  CHECK_FALSE(chain.add(rotation(2, 1, 7)));  // back to a retired one
  CHECK(chain.add(rotation(2, 3, 9)));
  for (auto const& [size, key] : std::vector<std::pair<std::uint64_t, unsigned char>>{
           {0, 1}, {1, 1}, {5, 1}, {6, 2}, {9, 2}, {10, 3}, {INT64_MAX, 3}})
    CHECK(same_key(chain.link_at(size).key, test_key(key).public_key("o")));
}

}  // namespace
}  // namespace impound::evidence
