// Where the bytes of a piece lie: a torrent is one stream of files, cut into pieces of one length (BEP 3); pad files
// (BEP 47) are zeros in that stream and on no disk.
//
// Any thread; immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace impound::fetchers {

struct StoredFile {
  std::uint64_t size = 0;
  bool pad = false;
};

/// A run of bytes of one piece in one file.
struct PieceSpan {
  std::size_t file = 0;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t size = 0;
  bool pad = false;
};

class PieceMap {
 public:
  PieceMap(std::uint64_t piece_length, std::vector<StoredFile> files);

  std::vector<StoredFile> const& files() const { return files_; }
  std::uint64_t piece_length() const { return piece_length_; }
  std::size_t pieces() const { return static_cast<std::size_t>((total_ + piece_length_ - 1) / piece_length_); }
  std::uint64_t piece_size(std::size_t piece) const;
  /// BEP 52: a piece of a v2 torrent begins with a file and is hashed to that file's end at most.
  std::uint64_t v2_size(std::size_t piece) const;
  /// What of the piece's bytes [start, start + size) lies where, in order; what is beyond its end is left out.
  std::vector<PieceSpan> spans(std::size_t piece, std::uint64_t start, std::uint64_t size) const;
  /// Bytes from this byte of this file to the end of its piece (or of what would be it).
  std::uint64_t left_in_piece(std::size_t file, std::uint64_t offset) const {
    return piece_length_ - (begins_[file] + offset) % piece_length_;
  }
  /// The piece that holds this byte of this file.
  std::size_t piece_at(std::size_t file, std::uint64_t offset) const {
    return static_cast<std::size_t>((begins_[file] + offset) / piece_length_);
  }

 private:
  std::uint64_t piece_length_;
  std::vector<StoredFile> files_;
  std::vector<std::uint64_t> begins_;  // of each file in the stream
  std::uint64_t total_ = 0;
};

}  // namespace impound::fetchers
