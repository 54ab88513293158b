// The key's file: what is written, who may read it, and what a passphrase does.
#include <doctest/doctest.h>
#include <openssl/crypto.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

#include "evidence/formats/hex.h"
#include "evidence/signing_key.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/simulated_disk.h"

namespace impound::evidence {
namespace {

/// A new key in `path` of the disk.
SigningKey written(Disk& disk, std::string const& path, SecretText const* passphrase = nullptr) {
  SeededRandomness random(3);
  SigningKey key = SigningKey::make(random);
  REQUIRE(key.write_new(disk, path, random, passphrase));
  return key;
}

TEST_CASE("signing key: a new one is private, exclusive, and reads back") {
  SimulatedDisk disk;
  SigningKey const made = written(disk, "log.pem");
  CHECK(disk.facts_of("log.pem").value().mode == 0600);
  CHECK(disk.content("log.pem").starts_with("-----BEGIN PRIVATE KEY-----\n"));
  CHECK(SigningKey::load(disk, "log.pem").value().vkey("o") == made.vkey("o"));
  SeededRandomness random(4);
  CHECK(made.write_new(disk, "log.pem", random).error().code == Code::exists);
  auto const after = disk.after_power_cut(0);
  CHECK(SigningKey::load(*after, "log.pem").value().vkey("o") == made.vkey("o"));
}

TEST_CASE("signing key: what is refused") {
  SimulatedDisk disk;
  written(disk, "good.pem");
  std::string const pem = disk.content("good.pem");
  disk.put_file("open.pem", pem, 0644);
  disk.put_file("group.pem", pem, 0640);
  disk.put_file("credential.pem", pem, 0440, 0);
  disk.put_file("other.pem", pem, 0600, 1001);
  disk.put_file("text.pem", "no key", 0600);
  disk.put_file("long.pem", pem + std::string(20'000, '\n'), 0600);
  disk.put_file("rsa.pem", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", 0600);
  disk.put_symlink("link.pem");
  SecretFileRule const ours{SimulatedDisk::owner, false};
  CHECK(SigningKey::load(disk, "none.pem", ours).error().code == Code::not_found);
  CHECK(SigningKey::load(disk, "good.pem", ours));
  CHECK(SigningKey::load(disk, "credential.pem", {std::nullopt, true}));
  for (char const* path :
       {"open.pem", "group.pem", "credential.pem", "other.pem", "text.pem", "long.pem", "rsa.pem", "link.pem"}) {
    CAPTURE(std::string(path));
    auto const refused = SigningKey::load(disk, path, ours);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::refused);
    CHECK(refused.error().where == path);
  }
}

TEST_CASE("signing key: a passphrase closes the file, and nothing but it opens it") {
  SimulatedDisk disk;
  SecretText const passphrase("correct horse"), wrong("correct horsf"), empty("");
  SigningKey const made = written(disk, "log.pem", &passphrase);
  std::string const pem = disk.content("log.pem");
  CHECK(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
  CHECK(SigningKey::load(disk, "log.pem", {}, &passphrase).value().vkey("o") == made.vkey("o"));
  CHECK(SigningKey::load(disk, "log.pem", {}, &wrong).error().code == Code::refused);
  CHECK(SigningKey::load(disk, "log.pem", {}, &empty).error().code == Code::refused);
  auto const missing = SigningKey::load(disk, "log.pem");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::usage);  // the settings lack something
  CHECK(missing.error().hint.find("passphrase_file") != std::string::npos);
  for (std::size_t at : {std::size_t{60}, pem.size() / 2, pem.size() - 40}) {
    std::string torn = pem;
    torn[at] = torn[at] == 'A' ? 'B' : 'A';
    disk.put_file("torn" + std::to_string(at), torn);
    CHECK(SigningKey::load(disk, "torn" + std::to_string(at), {}, &passphrase).error().code == Code::refused);
  }
}

TEST_CASE("signing key: the same seed signs the same, RFC 8032 test 1") {
  auto const seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  SigningKey const key = SigningKey::from_seed(*seed);
  CHECK(hex(key.public_key("o").key) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  CHECK(
      hex(key.sign({})) ==
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
      "655141438e7a100b");
}

TEST_CASE("secret memory: a secret moves, is cut and reads back as it was") {
  SecretText text("a passphrase");
  SecretText moved = std::move(text);
  CHECK(moved.text() == "a passphrase");
  moved.shorten(1);
  CHECK(moved.text() == "a");
  CHECK(moved.bytes().data()[1] == 0);
  SimulatedDisk disk;
  disk.put_file("small", "secret");
  CHECK(read_secret(disk, "small", 6).value().text() == "secret");
  CHECK(read_secret(disk, "small", 5).error().code == Code::refused);
  CHECK(read_secret(disk, "none", 5).error().code == Code::not_found);
}

/// The VmFlags of the mapping that `address` lies in (proc(5)).
std::string flags_at(void const* address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
      auto const at = reinterpret_cast<std::uintptr_t>(address);
      inside = from <= at && at < to;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

TEST_CASE("P6: secrets lie in memory that is locked and left out of core dumps, private keys with them") {
  SecretText const passphrase("a passphrase");
  std::string const flags = flags_at(passphrase.text().data());
  CHECK_MESSAGE(flags.find(" dd ") != std::string::npos, flags);
  if (secret_memory_locked()) CHECK_MESSAGE(flags.find(" lo ") != std::string::npos, flags);
  std::size_t const before = ::CRYPTO_secure_used();
  {
    SeededRandomness random(1);
    SigningKey const key = SigningKey::make(random);
    CHECK(::CRYPTO_secure_used() >= before + 32);
    SimulatedDisk disk;
    REQUIRE(key.write_new(disk, "log.pem", random));
    std::size_t const with_one = ::CRYPTO_secure_used();
    auto const loaded = SigningKey::load(disk, "log.pem");
    CHECK(::CRYPTO_secure_used() >= with_one + 32);
  }
  CHECK(::CRYPTO_secure_used() == before);
}

}  // namespace
}  // namespace impound::evidence
