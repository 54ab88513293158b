// The tree against RFC 6962's known answers, the vectors of transparency-dev/merkle, and every proof of every small
// tree.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "evidence/formats/base64.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/many_digests.h"
#include "evidence/formats/merkle.h"
#include "evidence/formats/tlog_tile.h"

namespace impound {
namespace {

std::string file(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A digest of a vector; some are empty or too short on purpose.
std::optional<LeafHash> hash_from(Json const& json) {
  if (!json.is_string()) return std::nullopt;
  auto const bytes = from_base64(json.get<std::string>());
  if (!bytes || bytes->size() != 32) return std::nullopt;
  LeafHash hash;
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return hash;
}

std::optional<MerkleProof> proof_from(Json const& json) {
  MerkleProof proof;
  for (Json const& step : json) {
    auto const hash = hash_from(step);
    if (!hash) return std::nullopt;
    proof.push_back(*hash);
  }
  return proof;
}

std::vector<Json> vectors(char const* kind) {
  std::vector<Json> found;
  for (auto const& entry :
       std::filesystem::recursive_directory_iterator(std::string(TEST_DATA) + "/tlog/merkle/" + kind))
    if (entry.is_regular_file()) {
      found.push_back(Json::parse(file(entry.path()), nullptr, false));
      REQUIRE_FALSE(found.back().is_discarded());
      found.back()["file"] = entry.path().filename().string();
    }
  return found;
}

LeafHash leaf(std::uint64_t i) { return leaf_hash(bytes_of("leaf " + std::to_string(i))); }

/// The hash over 2^level leaves the plain way.
StoredHashes plain() {
  return [](std::span<TreeNode const> wanted, std::span<LeafHash> into) -> Result<void> {
    for (std::size_t n = 0; n < wanted.size(); ++n) {
      MerkleFrontier tree;
      auto const [level, index] = wanted[n];
      for (std::uint64_t i = index << level; i < (index + 1) << level; ++i) tree.add(leaf(i));
      into[n] = as_node(tree.root());
    }
    return ok();
  };
}

Sha256 root_of(std::uint64_t size) {
  MerkleFrontier tree;
  for (std::uint64_t i = 0; i < size; ++i) tree.add(leaf(i));
  return tree.root();
}

TEST_CASE("many digests: side by side they are what each is alone, for every length and number") {
  std::string text;
  for (int i = 0; i < 2'000; ++i) text += std::to_string(i * 7'919);
  auto const same = [](std::vector<Bytes> const& messages) {
    std::vector<Sha256> together(messages.size());
    sha256_each(messages, together);
    for (std::size_t i = 0; i < messages.size(); ++i)
      if (together[i] != sha256(messages[i])) return false;
    return true;
  };
  std::vector<Bytes> lengths;
  for (std::size_t length = 0; length <= 1'100; ++length) lengths.push_back(bytes_of(text).subspan(length, length));
  CHECK(same(lengths));  // with an empty one among them
  lengths.erase(lengths.begin());
  CHECK(same(lengths));
  for (std::size_t count = 0; count <= 3 * digest_lanes; ++count)
    CHECK(same({lengths.begin() + 100, lengths.begin() + 100 + static_cast<std::ptrdiff_t>(count)}));
  std::string const large(3'000'000, 'x');  // one lane longer than all others, or too long for any
  for (std::size_t const size : {std::size_t{900'000}, large.size()}) {
    std::vector<Bytes> messages(lengths.begin(), lengths.begin() + 20);
    messages[7] = bytes_of(large).first(size);
    CHECK(same(messages));
  }
}

TEST_CASE("merkle: leaves and nodes hashed together are what each is alone") {
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < 256; ++i) entries.push_back(std::string(i * 3, 'e'));
  std::vector<Bytes> bytes;
  for (std::string const& entry : entries) bytes.push_back(bytes_of(entry));
  std::vector<LeafHash> leaves(bytes.size());
  leaf_hashes(bytes, leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i) CHECK(leaves[i] == leaf_hash(bytes[i]));
  std::vector<LeafHash> above(leaves.size() / 2);
  node_hashes(leaves, above);
  for (std::size_t i = 0; i < above.size(); ++i) CHECK(above[i] == node_hash(leaves[2 * i], leaves[2 * i + 1]));
  node_hashes(leaves, std::span(leaves).first(above.size()));
  CHECK(std::equal(above.begin(), above.end(), leaves.begin()));
}

TEST_CASE("merkle: the known answers of RFC 6962's test leaves") {
  char const* const leaves[] = {
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  char const* const roots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                               "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                               "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                               "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                               "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                               "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                               "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                               "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  MerkleFrontier tree;
  CHECK(hex(tree.root()) == roots[0]);
  for (std::size_t i = 0; i < 8; ++i) {
    tree.add(leaf_hash(*from_hex(leaves[i])));
    CHECK(hex(tree.root()) == roots[i + 1]);
  }
}

TEST_CASE("merkle: the inclusion vectors") {
  auto const all = vectors("inclusion");
  CHECK(all.size() >= 30);
  for (Json const& vector : all) {
    CAPTURE(vector["file"].get<std::string>());
    auto const root = hash_from(vector["root"]);
    auto const leaf_found = hash_from(vector["leafHash"]);
    auto const proof = vector["proof"].is_null() ? MerkleProof{} : proof_from(vector["proof"]);
    bool const holds = root && leaf_found && proof &&
                       inclusion_holds(*leaf_found, vector["leafIdx"].get<std::uint64_t>(),
                                       vector["treeSize"].get<std::uint64_t>(), *proof, as_root(*root));
    CHECK(holds == !vector["wantErr"].get<bool>());
  }
}

TEST_CASE("merkle: the consistency vectors") {
  auto const all = vectors("consistency");
  CHECK(all.size() >= 20);
  for (Json const& vector : all) {
    CAPTURE(vector["file"].get<std::string>());
    auto const old_root = hash_from(vector["root1"]);
    auto const new_root = hash_from(vector["root2"]);
    auto const proof = vector["proof"].is_null() ? MerkleProof{} : proof_from(vector["proof"]);
    bool const holds = old_root && new_root && proof &&
                       consistency_holds(vector["size1"].get<std::uint64_t>(), vector["size2"].get<std::uint64_t>(),
                                         *proof, as_root(*old_root), as_root(*new_root));
    CHECK(holds == !vector["wantErr"].get<bool>());
  }
}

TEST_CASE("merkle: every inclusion proof of every tree up to 40 holds, and not with one hash changed, more or less") {
  for (std::uint64_t size = 1; size <= 40; ++size) {
    Sha256 const root = root_of(size);
    CHECK(MerkleProver(size, plain()).root().value() == root);
    for (std::uint64_t index = 0; index < size; ++index) {
      MerkleProof proof = MerkleProver(size, plain()).inclusion(index).value();
      CHECK(inclusion_holds(leaf(index), index, size, proof, root));
      CHECK_FALSE(inclusion_holds(leaf(index + 1), index, size, proof, root));
      if (size > 1) CHECK_FALSE(inclusion_holds(leaf(index), index ^ 1, size, proof, root));
      CHECK_FALSE(inclusion_holds(leaf(index), size, size, proof, root));
      for (auto& step : proof) {
        step.bytes[31] ^= std::byte{1};
        CHECK_FALSE(inclusion_holds(leaf(index), index, size, proof, root));
        step.bytes[31] ^= std::byte{1};
      }
      proof.push_back(leaf(0));
      CHECK_FALSE(inclusion_holds(leaf(index), index, size, proof, root));
      proof.pop_back();
      if (proof.empty()) continue;
      proof.pop_back();
      CHECK_FALSE(inclusion_holds(leaf(index), index, size, proof, root));
    }
  }
}

TEST_CASE("merkle: every consistency proof up to 40 holds, and not for another pair of roots") {
  for (std::uint64_t new_size = 0; new_size <= 40; ++new_size) {
    Sha256 const new_root = root_of(new_size);
    for (std::uint64_t old_size = 0; old_size <= new_size; ++old_size) {
      Sha256 const old_root = root_of(old_size);
      MerkleProof proof = MerkleProver(new_size, plain()).consistency(old_size).value();
      CHECK(consistency_holds(old_size, new_size, proof, old_root, new_root));
      CHECK_FALSE(consistency_holds(old_size, new_size, proof, root_of(old_size + 1), new_root));
      if (old_size != 0) CHECK_FALSE(consistency_holds(old_size, new_size, proof, old_root, root_of(new_size + 1)));
      for (auto& step : proof) {
        step.bytes[0] ^= std::byte{0x80};
        CHECK_FALSE(consistency_holds(old_size, new_size, proof, old_root, new_root));
        step.bytes[0] ^= std::byte{0x80};
      }
      proof.push_back(leaf(0));
      CHECK_FALSE(consistency_holds(old_size, new_size, proof, old_root, new_root));
    }
  }
  CHECK_FALSE(consistency_holds(UINT64_MAX, UINT64_MAX - 1, {}, {}, {}));
}

TEST_CASE("tiles: paths both ways") {
  struct Row {
    TileName tile;
    char const* path;
  };
  for (Row const& row :
       {Row{{false, 0, 0, 256}, "tile/0/000"}, Row{{false, 1, 999, 17}, "tile/1/999.p/17"},
        Row{{false, 2, 1000, 256}, "tile/2/x001/000"}, Row{{true, 0, 1234067, 256}, "tile/entries/x001/x234/067"},
        Row{{true, 0, 273, 112}, "tile/entries/273.p/112"}, Row{{false, 7, 1000000, 1}, "tile/7/x001/x000/000.p/1"}}) {
    CHECK(tile_path(row.tile) == row.path);
    CHECK(tile_from_path(row.path) == row.tile);
  }
  for (char const* bad : {"",
                          "tile",
                          "tile/0",
                          "tile/0/",
                          "tile/00/000",
                          "tile/8/000",
                          "tile/x/000",
                          "tile/0/00",
                          "tile/0/0000",
                          "tile/0/x000/000",
                          "tile/0/x001",
                          "tile/0/001/002",
                          "tile/0/000.p/0",
                          "tile/0/000.p/256",
                          "tile/0/000.p/01",
                          "tile/0/000.p/",
                          "tile/0/000.p",
                          "tile/0/000.tmp",
                          "tile/entries/000/",
                          "Tile/0/000",
                          "tile/-1/000",
                          "tile/0/x001x002/003",
                          "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999"}) {
    CAPTURE(std::string(bad));
    CHECK_FALSE(tile_from_path(bad));
  }
}

TEST_CASE("tiles: which tiles a size has") {
  auto const paths = [](std::uint64_t size) {
    std::string all;
    for (TileName const& tile : partial_tiles(size)) all += tile_path(tile) + " ";
    return all;
  };
  CHECK(paths(0).empty());
  CHECK(paths(256) == "tile/1/000.p/1 ");
  CHECK(paths(70'000) == "tile/entries/273.p/112 tile/0/273.p/112 tile/1/001.p/17 tile/2/000.p/1 ");
  CHECK(tile_belongs({false, 0, 272, 256}, 70'000));
  CHECK_FALSE(tile_belongs({false, 0, 273, 256}, 70'000));
  CHECK(tile_belongs({true, 0, 273, 112}, 70'000));
  CHECK_FALSE(tile_belongs({true, 0, 273, 111}, 70'000));
  CHECK_FALSE(tile_belongs({false, 0, 272, 112}, 70'000));
  CHECK(tile_of(1, 256, 70'000) == TileName{false, 1, 1, 17});
  CHECK(tile_of(1, 255, 70'000) == TileName{false, 1, 0, 256});
}

TEST_CASE("tiles: the builder makes the tiles of every size, from any size on") {
  std::map<std::string, std::string> tiles;
  auto const keep = [&](TileName const& tile, Bytes bytes) -> Result<void> {
    tiles[tile_path(tile)] = std::string(text_of(bytes));
    return ok();
  };
  std::size_t reads = 0;
  auto const read = [&](TileName const& tile) -> Result<std::string> {
    ++reads;
    auto const found = tiles.find(tile_path(tile));
    if (found == tiles.end()) return Error{Code::not_found, "no tile", tile_path(tile), {}};
    return found->second;
  };
  TileBuilder builder;
  MerkleFrontier frontier;
  for (std::uint64_t i = 0; i < 66'000; ++i) {
    if (i % 1'009 == 0) {
      REQUIRE(builder.partial(keep));
      builder = TileBuilder::resume(i, read).value();
      REQUIRE(builder.root() == frontier.root());
      REQUIRE(MerkleProver(i, stored_in_tiles(i, read)).root().value() == frontier.root());
    }
    REQUIRE(builder.add(leaf(i), keep));
    frontier.add(leaf(i));
  }
  CHECK(builder.root() == frontier.root());
  REQUIRE(builder.partial(keep));
  StoredHashes const stored = stored_in_tiles(66'000, read);
  for (std::uint64_t const index : {0U, 1U, 255U, 256U, 65'535U, 65'536U, 65'999U}) {
    reads = 0;
    CHECK(inclusion_holds(leaf(index), index, 66'000, MerkleProver(66'000, stored).inclusion(index).value(),
                          frontier.root()));
    CHECK(reads <= 6);  // of each level the leaf's tile and the last one
  }
  for (std::uint64_t const old_size : {1U, 7U, 256U, 300U, 65'536U, 65'999U})
    CHECK(consistency_holds(old_size, 66'000, MerkleProver(66'000, stored).consistency(old_size).value(),
                            root_of(old_size), frontier.root()));
  LeafHash hash;
  TreeNode const beyond{0, 66'000};
  CHECK(stored({&beyond, 1}, {&hash, 1}).error().code == Code::damaged);
  tiles["tile/0/000"].pop_back();
  TreeNode const torn{0, 3};
  CHECK(stored({&torn, 1}, {&hash, 1}).error().code == Code::damaged);
}

TEST_CASE("tiles: a log that Sunlight wrote has the root its checkpoint says") {
  std::string const folder = std::string(TEST_DATA) + "/tlog/mirror/";
  auto const read = [&](TileName const& tile) -> Result<std::string> { return file(folder + tile_path(tile)); };
  auto const root = base64(TileBuilder::resume(300, read).value().root().bytes);
  CHECK(file(folder + "checkpoint").find("\n300\n" + root + "\n") != std::string::npos);
  CHECK(base64(MerkleProver(300, stored_in_tiles(300, read)).root().value().bytes) == root);
}

TEST_CASE("bundles: entries come back, and no other bytes are taken for a bundle") {
  std::string bundle;
  append_to_bundle(bundle, "one");
  append_to_bundle(bundle, "");
  append_to_bundle(bundle, std::string(65'535, 'x'));
  std::vector<std::size_t> sizes;
  auto const each = [&](unsigned, std::string_view entry) -> Result<void> {
    sizes.push_back(entry.size());
    return ok();
  };
  REQUIRE(each_in_bundle(bundle, 3, each));
  CHECK(sizes == std::vector<std::size_t>{3, 0, 65'535});
  CHECK(each_in_bundle(bundle, 2, each).error().code == Code::damaged);
  CHECK(each_in_bundle(bundle, 4, each).error().code == Code::damaged);
  CHECK(each_in_bundle(bundle.substr(0, bundle.size() - 1), 3, each).error().code == Code::damaged);
  CHECK(each_in_bundle(std::string_view(bundle).substr(0, 1), 1, each).error().code == Code::damaged);
}

}  // namespace
}  // namespace impound
