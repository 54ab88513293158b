#include "evidence/verify/unnamed_files.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/formats/text_lines.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/vault.h"

namespace impound::evidence {

namespace {

constexpr std::size_t names_max = 10'000'000;
constexpr unsigned tile_folders_deep_max =
    12;  // tile/<L>/x018/x446/…/<N>.p: 20 digits of u64 in groups of three, and some

using Type = FileFacts::Type;

class Search {
 public:
  Search(Disk& vault, Named const& named, std::uint64_t log_size, Verdict& verdict)
      : vault_(vault), named_(named), log_size_(log_size), verdict_(verdict) {}

  void top() {
    for (FolderEntry const& entry : names_in("")) {
      std::string_view const name = entry.name;
      bool const folder = name == "log" || name == "objects" || name == "warc" || name == "timestamps" ||
                          name == "staging" || name == "lost+found";
      bool const file = name == "vault.toml" || name == "journal.0" || name == "journal.1" || name == "reserve";
      if (!(folder && entry.type == Type::folder) && !(file && entry.type == Type::file)) found(entry.name);
    }
  }

  void log() {
    for (FolderEntry const& entry : names_in("log")) {
      bool const folder = (entry.name == "checkpoints" || entry.name == "tile") && entry.type == Type::folder;
      if (!folder && !(entry.name == "checkpoint" && entry.type == Type::file)) found("log/" + entry.name);
    }
    // However well it is signed: an anchored checkpoint is there because an attempt names it.
    for (FolderEntry const& entry : names_in("log/checkpoints")) {
      std::string const path = "log/checkpoints/" + entry.name;
      bool const well_formed = entry.type == Type::file && decimal(entry.name, UINT64_MAX);
      if (!well_formed || !named_.stampings.names(path)) found(path, well_formed);
    }
    tiles("log/tile", 0);
  }

  void objects() {
    for (FolderEntry const& folder : names_in("objects")) {
      std::string const place = "objects/" + folder.name;
      if (folder.type != Type::folder || !is_object_folder(folder.name)) {
        found(place);
        continue;
      }
      for (FolderEntry const& entry : names_in(place)) {
        std::string const path = place + "/" + entry.name;
        auto const digest = digest_from_hex<Sha256>(entry.name);
        bool const well_formed = entry.type == Type::file && digest && object_path(*digest) == path;
        if (!well_formed || !named_.has_object(*digest)) found(path, well_formed);
      }
    }
  }

  void warc() {
    for (FolderEntry const& entry : names_in("warc")) {
      std::string const path = "warc/" + entry.name;
      auto const end = named_.end_of(path);
      if (entry.type != Type::file) {
        found(path);
        continue;
      }
      auto facts = vault_.facts_of(path);
      if (!facts || (end && facts.value().size <= *end)) continue;  // shorter is the matter of its records
      bool const open = facts.value().mode == 0600 || named_.rewritten.contains(path);
      UnnamedFile file{path, {}, facts.value().size, open};
      file.detail = end ? "bytes " + std::to_string(*end) + " to " + std::to_string(file.size) +
                              " are in no record that an entry names"
                        : "no entry names a record of it";
      files.push_back(std::move(file));
    }
  }

  void timestamps() {
    for (FolderEntry const& folder : names_in("timestamps")) {
      std::string const place = "timestamps/" + folder.name;
      auto const size = decimal(folder.name, UINT64_MAX);
      if (folder.type != Type::folder || !size) {
        found(place);
        continue;
      }
      std::vector<FolderEntry> const names = names_in(place);
      if (names.empty() && !named_.stampings.has_size(*size)) found(place, true);
      for (FolderEntry const& entry : names) {
        std::string const path = place + "/" + entry.name;
        bool const named = named_.stampings.names(path) || named_.stampings.of_open(path);
        if (entry.type != Type::file || !named) found(path, entry.type == Type::file && is_stamping_file(entry.name));
      }
    }
  }

  std::vector<UnnamedFile> files;

 private:
  static bool is_object_folder(std::string_view name) {
    auto const byte = from_hex(name);
    return byte && byte->size() == 1 && hex(*byte) == name;
  }

  static bool is_stamping_file(std::string_view name) {
    return name.ends_with(".tsr") || name.ends_with(".chain.pem") || name.ends_with(".crl");
  }

  std::vector<FolderEntry> names_in(std::string const& folder) {
    auto names = vault_.list(folder, names_max);
    if (names) return std::move(names).value();
    // A folder that held nothing may be lost in a copy; whatever was in it is missing by its own name.
    if (names.error().code != Code::not_found)
      verdict_.add(What::malformed, folder.empty() ? "." : folder,
                   "the folder cannot be listed: " + line(names.error()));
    return {};
  }

  void found(std::string path, bool of_a_crash = false) {
    bool const draft = path.ends_with(".tmp");  // what write_whole leaves
    auto const facts = draft ? vault_.facts_of(path) : Result<FileFacts>(FileFacts{});
    files.push_back(
        {std::move(path), "no entry names it", 0, of_a_crash || draft, facts ? facts.value().modified_ns : 0});
  }

  void tiles(std::string const& folder, unsigned depth) {
    if (depth > tile_folders_deep_max) return found(folder);
    for (FolderEntry const& entry : names_in(folder)) {
      std::string const path = folder + "/" + entry.name;
      if (entry.type == Type::folder) {
        tiles(path, depth + 1);
        continue;
      }
      auto const tile = tile_from_path(std::string_view(path).substr(4));  // behind "log/"
      if (entry.type != Type::file || !tile || !tile_belongs(*tile, log_size_)) found(path, tile.has_value());
    }
  }

  Disk& vault_;
  Named const& named_;
  std::uint64_t log_size_;
  Verdict& verdict_;
};

}  // namespace

std::vector<UnnamedFile> unnamed_files(Disk& vault, Named const& named, std::uint64_t log_size, bool log_only,
                                       Verdict& verdict) {
  Search search(vault, named, log_size, verdict);
  search.top();
  search.log();
  if (!log_only) {
    search.objects();
    search.warc();
    search.timestamps();
  }
  return std::move(search.files);
}

bool still_unnamed(Disk& vault, UnnamedFile const& file, Named const& named, std::uint64_t log_size) {
  auto facts = vault.facts_of(file.path);
  if (!facts) return facts.error().code != Code::not_found;
  std::string_view const path = file.path;
  if (facts.value().type == Type::folder && path.starts_with("timestamps/")) {
    auto const size = decimal(path.substr(path.find('/') + 1), UINT64_MAX);
    return !size || !named.stampings.has_size(*size);
  }
  if (facts.value().type != Type::file) return true;
  // A writer at work makes its drafts anew every second: one of a later time is another one.
  if (path.ends_with(".tmp")) return facts.value().modified_ns == file.modified_ns;
  if (path.starts_with("warc/")) return named.end_of(file.path).value_or(0) < file.size;
  if (path.starts_with("objects/")) {
    auto const digest = digest_from_hex<Sha256>(path.substr(path.rfind('/') + 1));
    return !digest || object_path(*digest) != path || !named.has_object(*digest);
  }
  if (path.starts_with("log/checkpoints/") || path.starts_with("timestamps/"))
    return !named.stampings.names(file.path) && !named.stampings.of_open(path);
  if (path.starts_with("log/tile/")) {
    auto const tile = tile_from_path(path.substr(4));
    return !tile || !tile_belongs(*tile, log_size);
  }
  return true;
}

std::vector<std::uint64_t> kept_checkpoints(Disk& vault) {
  std::vector<std::uint64_t> sizes;
  auto names = vault.list("log/checkpoints", names_max);
  if (!names) return sizes;
  for (FolderEntry const& entry : names.value())
    if (auto const size = decimal(entry.name, UINT64_MAX); size && entry.type == Type::file) sizes.push_back(*size);
  return sizes;
}

}  // namespace impound::evidence
