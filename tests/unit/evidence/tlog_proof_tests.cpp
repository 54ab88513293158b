// Proofs to hand out: made from a log's tiles, checked without it.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "evidence/tlog_proof.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_key.h"

namespace impound::evidence {
namespace {

struct Log {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault = disk.folder("vault");
  std::unique_ptr<Disk> state = disk.folder("state");
  SigningKey const& key = test_key();
  NoteKey public_key = key.public_key("agent.example/evidence");

  explicit Log(std::size_t entries) {
    auto made = CustodyLog::create(*vault, *state, key, "agent.example/evidence", "entry 0");
    REQUIRE(made);
    std::vector<std::string> more;
    for (std::size_t i = 1; i < entries; ++i) more.push_back("entry " + std::to_string(i));
    if (!more.empty()) REQUIRE(made.value()->append(more));
    REQUIRE(made.value()->publish());
  }
  LogReader reader() {
    auto opened = LogReader::open(*vault, public_key.vkey());
    REQUIRE(opened);
    return std::move(opened).value();
  }
};

TEST_CASE("P7: every entry of logs of many sizes has a proof that holds alone with the key") {
  for (std::size_t const size : {1u, 2u, 3u, 7u, 255u, 256u, 257u, 700u}) {
    CAPTURE(size);
    Log log(size);
    LogReader reader = log.reader();
    for (std::size_t index = 0; index < size; ++index) {
      auto const made = make_tlog_proof(reader, index);
      REQUIRE(made);
      auto const read = read_tlog_proof(tlog_proof_text(made.value()));
      REQUIRE(read);
      CHECK(read.value().entry == "entry " + std::to_string(index));
      auto const checkpoint = judge_tlog_proof(read.value(), log.public_key);
      REQUIRE(checkpoint);
      CHECK(checkpoint.value().size == size);
    }
    CHECK(make_tlog_proof(reader, size).error().code == Code::not_found);
  }
}

TEST_CASE("P2: a proof with any bit changed is refused") {
  Log log(300);
  LogReader reader = log.reader();
  std::size_t changed = 0;
  for (std::uint64_t const index : {0u, 1u, 255u, 256u, 299u}) {
    auto const made = make_tlog_proof(reader, index);
    REQUIRE(made);
    std::string const text = tlog_proof_text(made.value());
    for (std::size_t at = 0; at < text.size(); ++at)
      for (unsigned bit = 0; bit < 8; ++bit, ++changed) {
        std::string other = text;
        other[at] = static_cast<char>(static_cast<unsigned char>(other[at]) ^ (1u << bit));
        auto const read = read_tlog_proof(other);
        CAPTURE(at);
        CAPTURE(bit);
        CHECK_FALSE((read && judge_tlog_proof(read.value(), log.public_key)));
      }
  }
  MESSAGE("changed bits: ", changed);
}

TEST_CASE("a proof is of one key, one entry and one place") {
  Log log(10);
  LogReader reader = log.reader();
  auto const made = make_tlog_proof(reader, 4);
  REQUIRE(made);
  TlogProof proof = made.value();

  NoteKey stranger = log.public_key;
  stranger.key.bytes[0] ^= std::byte{1};
  CHECK(judge_tlog_proof(proof, stranger).error().code == Code::refused);
  proof.index = 5;
  CHECK(judge_tlog_proof(proof, log.public_key).error().code == Code::damaged);
  proof = made.value();
  proof.entry += " ";
  CHECK(judge_tlog_proof(proof, log.public_key).error().code == Code::damaged);
  proof = made.value();
  proof.path.pop_back();
  CHECK(judge_tlog_proof(proof, log.public_key).error().code == Code::damaged);
}

TEST_CASE("P6: what is no proof is refused by name") {
  Log log(3);
  LogReader reader = log.reader();
  auto const made = make_tlog_proof(reader, 1);
  REQUIRE(made);
  std::string const text = tlog_proof_text(made.value());
  auto const with = [&](std::string const& from, std::string const& to) {
    std::string other = text;
    REQUIRE(other.find(from) != std::string::npos);
    return read_tlog_proof(other.replace(other.find(from), from.size(), to));
  };
  CHECK_FALSE(read_tlog_proof(""));
  CHECK_FALSE(read_tlog_proof("c2sp.org/tlog-proof@v1\n"));
  CHECK_FALSE(read_tlog_proof(std::string(tlog_proof_bytes_max + 1, 'x')));
  CHECK_FALSE(with("@v1", "@v2"));
  CHECK_FALSE(with("extra ", "extras "));
  CHECK_FALSE(with("index 1", "index 01"));
  CHECK_FALSE(with("index 1", "index -1"));
  CHECK_FALSE(with("index 1", "index 18446744073709551616"));
  CHECK_FALSE(with("index 1\n", "index 1\nAAAA\n"));
  std::string hashes;
  for (int i = 0; i < 64; ++i) hashes += std::string(43, 'A') + "=\n";
  CHECK_FALSE(with("index 1\n", "index 1\n" + hashes));
}

}  // namespace
}  // namespace impound::evidence
