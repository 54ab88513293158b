// Parts of files that never became whole: what of them is the torrent's.
#include "fetchers/torrents/verified_ranges.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

constexpr std::uint64_t piece = 16'384;

std::string bytes_like(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (char& one : bytes) one = static_cast<char>((seed = seed * 1'664'525u + 1'013'904'223u) >> 24);
  return bytes;
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
    return verified_ranges(torrent, file,
                           [this](std::size_t of, std::uint64_t at, std::span<std::byte> into) {
                             std::string const& bytes = there[of];
                             std::size_t const count =
                                 at >= bytes.size() ? 0 : std::min<std::size_t>(into.size(), bytes.size() - at);
                             if (count > 0) std::memcpy(into.data(), bytes.data() + at, count);
                             return count;
                           })
        .value();
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
