#include "fetchers/torrents/metainfo.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "fetchers/torrents/bencode.h"
#include "fetchers/torrents/piece_layers.h"

namespace impound::fetchers {

namespace {

// Beyond it the sums here and libtorrent's piece arithmetic would overflow, whatever the limits say.
constexpr std::uint64_t file_bytes_max = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t block_bytes = 16'384;

Error wrong(std::string what) { return Error{Code::malformed, "not a usable torrent: " + what, {}, {}}; }
Error too_much(std::string what) { return Error{Code::refused, "torrent refused: " + what, {}, {}}; }

/// A name that could be one folder entry. Anything else has no honest place in a file tree.
bool plain_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  auto const blank = " \t\r\n";
  auto const begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

bool has_attribute(BencodeValue const& file, char attribute) {
  auto const attributes = file.find("attr");
  return attributes && attributes->text().find(attribute) != std::string_view::npos;
}

/// BitComet's name for padding, which libtorrent takes for it wherever it stands in a path. No other name makes
/// padding: under .____padding_file/ there may be anything.
bool named_as_pad(std::vector<std::string> const& components) {
  return std::any_of(components.begin(), components.end(),
                     [](std::string const& one) { return one.find("_____padding_file_") != std::string::npos; });
}

/// BEP 47: a link has no bytes, and may leave its length out.
Result<std::uint64_t> size_of(BencodeValue const& file) {
  if (has_attribute(file, 'l')) return 0;
  auto const length = file.find("length");
  auto const size = length ? length->integer() : std::nullopt;
  if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > file_bytes_max)
    return wrong("a file's length is missing or impossible");
  return static_cast<std::uint64_t>(*size);
}

/// What every kind of torrent says of a file alike.
Result<TorrentFile> file_of(BencodeValue const& entry, std::vector<std::string> components) {
  IMPOUND_TRY(size, size_of(entry));
  TorrentFile file{{}, std::move(components), size, false, has_attribute(entry, 'l')};
  auto const target = file.symlink ? entry.find("symlink path") : std::nullopt;
  if (!target) return file;
  if (target->is_text()) file.target_bytes = target->text();
  for (auto part = target->is_list() ? target->first() : std::nullopt; part; part = part->next()) {
    if (!part->is_text()) return wrong("a symbolic link whose target has a part that is no text");
    file.target_bytes += part->text();
    if (part->next()) file.target_bytes += '/';
  }
  return file;
}

/// Joins the components, and holds them against the limits.
Result<void> set_path(TorrentFile& file, MetainfoLimits const& limits) {
  for (auto const& component : file.components) {
    if (!file.path_bytes.empty()) file.path_bytes += '/';
    file.path_bytes += component;
  }
  if (file.components.size() > limits.path_depth_max) return too_much("a path deeper than the limit");
  if (file.path_bytes.size() > limits.path_bytes_max) return too_much("a path is longer than the limit");
  return ok();
}

/// Pad files by number: they are not wanted, and only bounded.
Result<void> append(std::vector<TorrentFile>& files, TorrentFile file, MetainfoLimits const& limits) {
  if (files.size() >= 2 * limits.files_max) return too_much("more files than the limit");
  files.push_back(std::move(file));
  return ok();
}

/// `path` of a v1 file: its UTF-8 twin, where a maker wrote both, says the same in a known encoding.
Result<std::vector<std::string>> components_of(BencodeValue const& file, std::string const& folder) {
  auto list = file.find("path.utf-8");
  if (!list || !list->is_list()) list = file.find("path");
  std::vector<std::string> components{folder};
  if (!list || !list->is_list()) {
    if (has_attribute(file, 'p')) {  // nobody will ever see it
      components.emplace_back(".pad");
      return components;
    }
    return wrong("a file has no path");
  }
  for (auto part = list->first(); part; part = part->next()) {
    if (!part->is_text() || !plain_component(part->text())) return wrong("a path with a part that is no plain name");
    components.emplace_back(part->text());
  }
  if (components.size() == 1) return wrong("a file has an empty path");
  return components;
}

Result<std::vector<TorrentFile>> v1_files(BencodeValue const& info, std::string const& name,
                                          MetainfoLimits const& limits) {
  std::vector<TorrentFile> files;
  auto const list = info.find("files");
  if (!list) {
    IMPOUND_TRY(file, file_of(info, {name}));
    IMPOUND_CHECK(set_path(file, limits));
    files.push_back(std::move(file));
    return files;
  }
  if (!list->is_list() || !list->first()) return wrong("no files");
  for (auto entry = list->first(); entry; entry = entry->next()) {
    if (!entry->is_dict()) return wrong("a file that is no dict");
    IMPOUND_TRY(components, components_of(*entry, name));
    IMPOUND_TRY(file, file_of(*entry, std::move(components)));
    bool const marked = has_attribute(*entry, 'p');
    file.pad_by_name = !marked && named_as_pad(file.components);
    file.pad = marked || file.pad_by_name;
    IMPOUND_CHECK(set_path(file, limits));
    IMPOUND_CHECK(append(files, std::move(file), limits));
  }
  return files;
}

/// A v2 file's own dict, under the empty key.
Result<TorrentFile> v2_file(BencodeValue const& entry, std::vector<std::string> components, PieceRoots& roots,
                            std::uint64_t piece_length) {
  IMPOUND_TRY(file, file_of(entry, std::move(components)));
  if (has_attribute(entry, 'p')) return wrong("a v2 file with the pad attribute");
  auto const root = entry.find("pieces root");
  if (file.size > 0) {
    if (!root || root->text().size() != Sha256::size) return wrong("a v2 file without pieces root");
    Sha256 digest;
    std::copy_n(bytes_of(root->text()).begin(), Sha256::size, digest.bytes.begin());
    if (digest == Sha256{}) return wrong("a v2 file whose pieces root is zero");
    if (file.size > piece_length) roots[digest] = (file.size + piece_length - 1) / piece_length;
    file.pieces_root = digest;
  }
  return file;
}

/// Walks a file tree in the order of its bytes, without recursion (bencode's depth is bounded anyway).
Result<std::vector<TorrentFile>> v2_files(BencodeValue const& tree, std::string const& name, std::uint64_t piece_length,
                                          PieceRoots& roots, MetainfoLimits const& limits) {
  struct Level {
    std::optional<BencodeValue> key;
    std::string component;
  };
  std::vector<TorrentFile> files;
  auto const top = tree.first();
  if (!top) return wrong("no files");
  // One file at the top with the torrent's own name is a torrent without a folder.
  auto const top_file = top->next()->find("");
  bool const single = top->text() == name && !top->next()->next() && top_file;
  std::vector<Level> levels{{top, {}}};
  while (!levels.empty()) {
    auto& level = levels.back();
    if (!level.key) {
      levels.pop_back();
      continue;
    }
    auto const key = *level.key;
    auto const value = *key.next();
    level.key = value.next();
    if (!value.is_dict()) return wrong("a file tree with an entry that is no dict");
    if (!plain_component(key.text())) return wrong("a file tree with a part that is no plain name");
    level.component = key.text();
    auto const file_entry = value.find("");
    if (!file_entry) {
      if (value.first()) levels.push_back({value.first(), {}});
      continue;
    }
    if (!file_entry->is_dict() || value.first()->next()->next())
      return wrong("a file tree with a file that is a folder, too");
    std::vector<std::string> components;
    if (!single) components.push_back(name);
    for (auto const& one : levels) components.push_back(one.component);
    IMPOUND_TRY(file, v2_file(*file_entry, std::move(components), roots, piece_length));
    IMPOUND_CHECK(set_path(file, limits));
    IMPOUND_CHECK(append(files, std::move(file), limits));
  }
  if (files.empty()) return wrong("no files");
  return files;
}

/// A hybrid must say the same twice, pad files aside. What only v2 knows of a file is taken over.
bool same_files(std::vector<TorrentFile>& v1, std::vector<TorrentFile> const& v2) {
  auto a = v1.begin();
  auto b = v2.begin();
  while (true) {
    while (a != v1.end() && a->pad) ++a;
    if (a == v1.end() || b == v2.end()) return a == v1.end() && b == v2.end();
    if (a->components != b->components || a->size != b->size) return false;
    if (a->symlink != b->symlink || a->target_bytes != b->target_bytes) return false;
    a->pieces_root = b->pieces_root;
    ++a;
    ++b;
  }
}

Result<void> set_sizes(Metainfo& torrent, bool v1, BencodeValue const& info, MetainfoLimits const& limits) {
  std::uint64_t all = 0;
  std::size_t wanted = 0;
  for (auto const& file : torrent.files) {
    all += file.size;  // cannot overflow: 2^48 a file, and files are bounded by tokens
    if (all > std::min(limits.total_bytes_max, file_bytes_max)) return too_much("more bytes than the limit");
    if (!file.pad) {
      torrent.total_bytes += file.size;
      ++wanted;
    }
    if (!v1) torrent.pieces += (file.size + torrent.piece_length - 1) / torrent.piece_length;
  }
  if (wanted > limits.files_max) return too_much("more files than the limit");
  if (all == 0) return wrong("its length is zero");
  if (v1) torrent.pieces = (all + torrent.piece_length - 1) / torrent.piece_length;
  if (torrent.pieces > limits.pieces_max) return too_much("more pieces than the limit");
  if (v1) {
    auto const hashes = info.find("pieces");
    if (!hashes || hashes->text().size() != torrent.pieces * Sha1::size)
      return wrong("the number of piece hashes is wrong");
  }
  return ok();
}

Result<std::uint64_t> piece_length_of(BencodeValue const& info, bool v2, MetainfoLimits const& limits) {
  auto const entry = info.find("piece length");
  auto const length = entry ? entry->integer() : std::nullopt;
  if (!length || *length <= 0) return wrong("the piece length is missing or impossible");
  auto const bytes = static_cast<std::uint64_t>(*length);
  if (v2 && (bytes < block_bytes || (bytes & (bytes - 1)) != 0))
    return wrong("a v2 piece length that is no power of two of 16 KiB or more");
  if (bytes > limits.piece_length_max) return too_much("pieces longer than the limit");
  return bytes;
}

Result<std::string> name_of(BencodeValue const& info) {
  auto entry = info.find("name.utf-8");
  if (!entry || !entry->is_text() || entry->text().empty()) entry = info.find("name");
  if (!entry || !entry->is_text() || entry->text().empty()) return wrong("the name is missing");
  if (!plain_component(entry->text())) return wrong("a name that is no plain name");
  return std::string{entry->text()};
}

Result<Metainfo> read_info(BencodeValue const& info, PieceRoots& roots, MetainfoLimits const& limits) {
  if (!info.is_dict()) return wrong("the info dict is missing");
  if (info.raw().size() > limits.info_bytes_max) return too_much("an info dict larger than the limit");
  auto const version_entry = info.find("meta version");
  auto const version = version_entry ? version_entry->integer() : std::optional<std::int64_t>{1};
  if (!version || (*version != 1 && *version != 2)) return wrong("an unknown meta version");
  bool const v2 = *version == 2;
  bool const v1 = !v2 || info.find("pieces");
  Metainfo torrent;
  IMPOUND_TRY(name, name_of(info));
  IMPOUND_TRY(piece_length, piece_length_of(info, v2, limits));
  torrent.name = std::move(name);
  torrent.piece_length = piece_length;
  if (v1) {
    if (auto const hashes = info.find("pieces"); !hashes || !hashes->is_text())
      return wrong("piece hashes are missing");
    IMPOUND_TRY(files, v1_files(info, torrent.name, limits));
    torrent.files = std::move(files);
  }
  if (v2) {
    auto const tree = info.find("file tree");
    if (!tree || !tree->is_dict()) return wrong("the file tree is missing");
    IMPOUND_TRY(files, v2_files(*tree, torrent.name, piece_length, roots, limits));
    if (v1 && !same_files(torrent.files, files)) return wrong("its v1 and v2 parts describe different files");
    if (!v1) torrent.files = std::move(files);
  }
  IMPOUND_CHECK(set_sizes(torrent, v1, info, limits));
  auto const is_private = info.find("private");
  torrent.is_private = is_private && is_private->integer() == 1;
  torrent.info = info.raw();
  torrent.sha1 = sha1(bytes_of(torrent.info));
  torrent.sha256 = sha256(bytes_of(torrent.info));
  if (v1) torrent.hashes.v1 = InfoHashV1{torrent.sha1.bytes};
  if (v2) torrent.hashes.v2 = InfoHashV2{torrent.sha256.bytes};
  return torrent;
}

/// Collects texts, each once, as many as the limit allows.
class UrlList {
 public:
  explicit UrlList(std::size_t max) : max_(max) {}
  void add(BencodeValue const& value) {
    auto const url = trimmed(value.text());
    if (!url.empty() && urls_.size() < max_ && seen_.emplace(url).second) urls_.emplace_back(url);
  }
  /// A text, or a list of them (or of lists of them: announce-list's tiers).
  void add_all(std::optional<BencodeValue> const& value) {
    if (!value) return;
    if (value->is_text()) add(*value);
    if (!value->is_list()) return;
    for (auto item = value->first(); item; item = item->next()) {
      if (item->is_text()) add(*item);
      for (auto inner = item->is_list() ? item->first() : std::nullopt; inner; inner = inner->next()) add(*inner);
    }
  }
  std::vector<std::string> take() { return std::move(urls_); }

 private:
  std::size_t max_;
  std::vector<std::string> urls_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

Result<Metainfo> read_torrent(std::string_view bytes, MetainfoLimits const& limits) {
  if (bytes.size() > limits.bytes_max) return too_much("a file larger than the limit");
  IMPOUND_TRY(outline, BencodeOutline::read(bytes, limits.depth_max, limits.tokens_max, true));
  auto const root = outline.root();
  if (!root.is_dict()) return wrong("it is no dict");
  auto const info = root.find("info");
  if (!info) return wrong("the info dict is missing");
  PieceRoots roots;
  IMPOUND_TRY(torrent, read_info(*info, roots, limits));
  if (auto const layers = root.find("piece layers"); layers && torrent.hashes.v2) {
    IMPOUND_CHECK(check_piece_layers(*layers, roots, torrent.piece_length));
  }
  UrlList trackers{limits.urls_max};
  trackers.add_all(root.find("announce"));
  trackers.add_all(root.find("announce-list"));
  torrent.trackers = trackers.take();
  UrlList web_seeds{limits.urls_max};
  web_seeds.add_all(root.find("url-list"));
  torrent.web_seeds = web_seeds.take();
  UrlList http_seeds{limits.urls_max};
  http_seeds.add_all(root.find("httpseeds"));
  torrent.http_seeds = http_seeds.take();
  if (auto const comment = root.find("comment")) torrent.comment = comment->text();
  if (auto const created_by = root.find("created by")) torrent.created_by = created_by->text();
  return torrent;
}

Result<Metainfo> read_info_dict(std::string_view info, MetainfoLimits const& limits) {
  if (info.size() > limits.info_bytes_max) return too_much("an info dict larger than the limit");
  IMPOUND_TRY(outline, BencodeOutline::read(info, limits.depth_max, limits.tokens_max, false));
  PieceRoots roots;
  return read_info(outline.root(), roots, limits);
}

Result<std::string> piece_hashes(Metainfo const& torrent) {
  MetainfoLimits const limits;
  IMPOUND_TRY(outline, BencodeOutline::read(torrent.info, limits.depth_max, limits.tokens_max, false));
  std::string hashes;
  if (auto const found = outline.root().find("pieces")) hashes = found->text();
  if (hashes.size() != torrent.pieces * Sha1::size || torrent.piece_length == 0)
    return Error{Code::malformed, "not a usable torrent: the number of piece hashes is wrong", {}, {}};
  return hashes;
}

}  // namespace impound::fetchers
