#include "evidence/open_file_hash.h"

#include <doctest/doctest.h>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "tests/support/simulated_disk.h"

using namespace impound;
using namespace impound::evidence;

namespace {

std::string bytes_without_pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = size + 1;
  for (char& byte : bytes) {
    state = state * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

template <class Stream>
auto digest(std::string const& bytes) {
  Stream stream;
  stream.add(bytes_of(bytes));
  return stream.finish();
}

}  // namespace

TEST_CASE("three digests out of one pass are those of each alone, around every block and both ways of working") {
  constexpr std::size_t block = 256 * 1024;
  SimulatedDisk disk;
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, block - 1, block, block + 1, 4 * block - 1, 4 * block,
                                 4 * block + 1, 8 * block, 21 * block + 7}) {
    INFO(size);
    std::string const bytes = bytes_without_pattern(size);
    std::string const path = "file-" + std::to_string(size);
    disk.put_file(path, bytes);
    auto file = DiskFile::open(disk, path, Open::read);
    REQUIRE(file);
    auto const hashed = hash_open_file_thrice(file.value(), size);
    REQUIRE(hashed);
    CHECK(hashed.value().bytes.size == size);
    CHECK(hashed.value().bytes.sha256 == digest<Sha256Stream>(bytes));
    CHECK(hashed.value().further.sha1 == digest<Sha1Stream>(bytes));
    CHECK(hashed.value().further.md5 == digest<Md5Stream>(bytes));
    // One byte more than announced is read, and no more: it tells that the file is longer.
    if (size > 0) CHECK(hash_open_file_thrice(file.value(), size - 1).value().bytes.size == size);
    if (size > 4 * block) CHECK(hash_open_file_thrice(file.value(), 4 * block - 2).value().bytes.size == 4 * block - 1);
  }
}

TEST_CASE("hashing is stopped between two blocks, by both ways of working") {
  SimulatedDisk disk;
  for (std::size_t const size : {std::size_t{300'000}, std::size_t{8'000'000}}) {
    disk.put_file("file", std::string(size, 'x'));
    auto file = DiskFile::open(disk, "file", Open::read);
    REQUIRE(file);
    int asked = 0;
    auto const stopped = hash_open_file_thrice(file.value(), size, [&] { return ++asked > 1; });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == Code::cancelled);
    CHECK(asked == 2);
  }
}
