#include "fetchers/torrents/piece_layers.h"

#include <algorithm>
#include <array>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::fetchers {

namespace {

constexpr std::uint64_t block_bytes = 16'384;

Error wrong(char const* what) { return Error{Code::malformed, std::string{"not a usable torrent: "} + what, {}, {}}; }

Sha256 parent(Sha256 const& left, Sha256 const& right) {
  std::array<std::byte, 2 * Sha256::size> both;
  std::copy(left.bytes.begin(), left.bytes.end(), both.begin());
  std::copy(right.bytes.begin(), right.bytes.end(), both.begin() + Sha256::size);
  return sha256(both);
}

/// The root over a layer; missing pieces behind its end count as trees of zero leaves.
Sha256 root_over(std::vector<Sha256> layer, std::uint64_t piece_length) {
  Sha256 pad{};  // a leaf behind the end of a file is zero, not the hash of zeros
  for (std::uint64_t covered = block_bytes; covered < piece_length; covered *= 2) pad = parent(pad, pad);
  while (layer.size() > 1) {
    if (layer.size() % 2 != 0) layer.push_back(pad);
    for (std::size_t i = 0; i < layer.size() / 2; ++i) layer[i] = parent(layer[2 * i], layer[2 * i + 1]);
    layer.resize(layer.size() / 2);
    pad = parent(pad, pad);
  }
  return layer.front();
}

}  // namespace

bool is_piece_layer(std::span<Sha256 const> layer, Sha256 const& root, std::uint64_t piece_length) {
  return !layer.empty() && root_over({layer.begin(), layer.end()}, piece_length) == root;
}

Result<void> check_piece_layers(BencodeValue const& layers, PieceRoots const& roots, std::uint64_t piece_length) {
  if (!layers.is_dict()) return wrong("its piece layers are no dict");
  for (auto key = layers.first(); key;) {
    auto const value = key->next();
    if (key->text().size() != Sha256::size) return wrong("a piece layer with an impossible root");
    Sha256 root;
    std::copy_n(bytes_of(key->text()).begin(), Sha256::size, root.bytes.begin());
    auto const file = roots.find(root);
    if (file == roots.end()) return wrong("a piece layer of a file that is not in it");
    auto const hashes = bytes_of(value->text());
    if (hashes.size() != file->second * Sha256::size) return wrong("a piece layer of the wrong length");
    std::vector<Sha256> layer(file->second);
    for (std::size_t i = 0; i < layer.size(); ++i) {
      std::copy_n(hashes.begin() + static_cast<std::ptrdiff_t>(i * Sha256::size), Sha256::size, layer[i].bytes.begin());
    }
    if (!is_piece_layer(layer, root, piece_length)) return wrong("a piece layer that does not hash to its root");
    key = value->next();
  }
  return ok();
}

}  // namespace impound::fetchers
