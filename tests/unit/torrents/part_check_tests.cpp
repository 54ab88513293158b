// Parts of files that never became whole: what of them is the torrent's.
#include "fetchers/torrents/part_check.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "made_bytes.h"

using namespace impound;
using namespace impound::fetchers;
using test::bytes_like;

namespace {

constexpr std::uint64_t piece = 16'384;

ReadFile reader(std::map<std::size_t, std::string>& there) {
  return [&there](std::size_t of, std::uint64_t at, std::span<std::byte> into) {
    std::string const& bytes = there[of];
    std::size_t const count = at >= bytes.size() ? 0 : std::min<std::size_t>(into.size(), bytes.size() - at);
    if (count > 0) std::memcpy(into.data(), bytes.data() + at, count);
    return count;
  };
}

/// a: 40,000 bytes, padding up to the end of its piece, b: 50,000, c: 20,000.
struct World {
  std::map<std::size_t, std::string> there{
      {0, bytes_like(40'000, 1)}, {2, bytes_like(50'000, 2)}, {3, bytes_like(20'000, 3)}};
  Metainfo torrent;

  World() {
    std::string const pad(3 * piece - 40'000, '\0');
    std::string const all = there[0] + pad + there[2] + there[3];
    std::string hashes;
    for (std::size_t at = 0; at < all.size(); at += piece) {
      auto const digest = sha1(bytes_of(std::string_view{all}.substr(at, piece)));
      hashes.append(reinterpret_cast<char const*>(digest.bytes.data()), digest.bytes.size());
    }
    std::string const info =
        "d5:filesld6:lengthi40000e4:pathl1:aeed4:attr1:p6:lengthi" + std::to_string(pad.size()) +
        "e4:pathl3:padeed6:lengthi50000e4:pathl1:beed6:lengthi20000e4:pathl1:ceee4:name1:n12:piece "
        "lengthi16384e6:pieces" +
        std::to_string(hashes.size()) + ":" + hashes + "e";
    torrent = read_info_dict(info, MetainfoLimits{}).value();
  }
  std::vector<ByteRange> ranges(std::size_t file) {
    return PartCheck::of(torrent).value().verified(file, reader(there));
  }
};

using Ranges = std::vector<ByteRange>;

}  // namespace

TEST_CASE("a file of which every piece holds is one range, padding and all") {
  World world;
  CHECK(world.ranges(0) == Ranges{{0, 40'000}});
  CHECK(world.ranges(2) == Ranges{{0, 50'000}});
  CHECK(world.ranges(3) == Ranges{{0, 20'000}});
  CHECK(world.ranges(1).empty());  // padding is nobody's file
}

TEST_CASE("what is missing or wrong is no range, and neither is a piece that needs a file that is not there") {
  World world;
  world.there[2][20'000] ^= 1;  // in its second piece
  CHECK(world.ranges(2) == Ranges{{0, piece}, {2 * piece, 50'000}});
  world.there[2].resize(2 * piece + 100);  // cut in its third
  CHECK(world.ranges(2) == Ranges{{0, piece}});
  world.there[2] = bytes_like(50'000, 2);
  world.there.erase(3);
  CHECK(world.ranges(2) == Ranges{{0, 3 * piece}});  // its end shares a piece with c
  CHECK(world.ranges(3).empty());
}

TEST_CASE("every single byte of a part counts") {
  World world;
  for (std::size_t at = 0; at < 20'000; at += 97) {
    world.there[3][at] ^= 1;
    for (auto const& range : world.ranges(3)) CHECK((at < range.from || at >= range.to));
    world.there[3][at] ^= 1;
  }
}

namespace {

/// The hashes of a file's pieces, written out plainly from BEP 52: leaves behind the end are zero.
Sha256 tree(std::vector<Sha256> level, std::size_t leaves) {
  level.resize(leaves);
  for (; level.size() > 1; level.resize(level.size() / 2))
    for (std::size_t i = 0; i < level.size() / 2; ++i) {
      std::vector<std::byte> both;
      for (Sha256 const& one : {level[2 * i], level[2 * i + 1]})
        both.insert(both.end(), one.bytes.begin(), one.bytes.end());
      level[i] = sha256(both);
    }
  return level[0];
}

/// v2 alone, pieces of 64 KiB: a has 300,001 bytes and so five pieces, b 20,000 and no layer.
struct SecondVersion {
  static constexpr std::uint64_t piece_length = 65'536;
  std::map<std::size_t, std::string> there{{0, bytes_like(300'001, 7)}, {1, bytes_like(20'000, 8)}};
  std::vector<Sha256> layer;
  Metainfo torrent;

  SecondVersion() {
    auto const leaves = [](std::string_view bytes) {
      std::vector<Sha256> all;
      for (std::size_t at = 0; at < bytes.size(); at += 16'384)
        all.push_back(sha256(bytes_of(bytes.substr(at, 16'384))));
      return all;
    };
    for (std::size_t at = 0; at < there[0].size(); at += piece_length)
      layer.push_back(tree(leaves(std::string_view{there[0]}.substr(at, piece_length)), 4));
    auto const text = [](Sha256 const& digest) {
      return std::string{reinterpret_cast<char const*>(digest.bytes.data()), digest.bytes.size()};
    };
    std::string const info =
        "d9:file treed1:ad0:d6:lengthi300001e11:pieces root32:" + text(tree(leaves(there[0]), 32)) +
        "ee1:bd0:d6:lengthi20000e11:pieces root32:" + text(tree(leaves(there[1]), 2)) +
        "eee12:meta versioni2e4:name1:n12:piece lengthi65536ee";
    torrent = read_info_dict(info, MetainfoLimits{}).value();
  }
  Ranges ranges(std::size_t file) { return PartCheck::of(torrent).value().verified(file, reader(there), layer); }
};

}  // namespace

TEST_CASE("v2 alone: a part is held against its file's piece layer") {
  SecondVersion world;
  CHECK(PartCheck::of(world.torrent).value().layer_size(0) == 5);
  CHECK(PartCheck::of(world.torrent).value().layer_size(1) == 0);
  CHECK(world.ranges(0) == Ranges{{0, 300'001}});
  world.there[0][70'000] ^= 1;
  CHECK(world.ranges(0) == Ranges{{0, 65'536}, {131'072, 300'001}});
  world.there[0].resize(290'000);
  CHECK(world.ranges(0) == Ranges{{0, 65'536}, {131'072, 262'144}});
  CHECK(world.ranges(1).empty());
}

TEST_CASE("v2 alone: a layer that does not hash to the file's root proves nothing") {
  SecondVersion world;
  auto const right = world.layer;
  for (std::size_t i = 0; i < right.size(); ++i) {
    world.layer = right;
    world.layer[i].bytes[5] ^= std::byte{1};
    CHECK(world.ranges(0).empty());
  }
  world.layer = right;
  world.layer.pop_back();
  CHECK(world.ranges(0).empty());
  world.layer = {};
  CHECK(world.ranges(0).empty());
}
