// What is kept of files that never became whole, when an acquisition is given up: the part as it lies there, and which
// ranges of it hold against the torrent's piece hashes. See acquisition.h.
#include <algorithm>

#include "agent/work/acquisition.h"
#include "agent/work/reading.h"
#include "agent/work/staging.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

using evidence::EntryDraft;

/// Where the bytes of a file are, or are in part; "" for nowhere.
std::string Acquisitions::place_of(Running const& running, std::size_t file) const {
  Intake const& intake = running.intake;
  if (auto const sealed = intake.sealed.find(file); sealed != intake.sealed.end())
    return evidence::object_path(sealed->second);
  auto const before = running.sealed_before.find(hex(bytes_of(running.metainfo->files[file].path_bytes)));
  if (before != running.sealed_before.end())
    if (auto const digest = digest_from_hex<Sha256>(before->second.sha256)) return evidence::object_path(*digest);
  auto const part = intake.parts.find(file);
  return part == intake.parts.end() ? "" : staging_path(staging_of(running)) + "/" + part->second.staged_path;
}

/// The hashes of a part's pieces, as the worker left them: proven by the torrent, or of no use (PartCheck).
std::vector<Sha256> Acquisitions::layer_of(Running const& running, fetchers::PartCheck const& check, std::size_t file) {
  std::vector<Sha256> layer;
  auto const part = running.intake.parts.find(file);
  std::uint64_t const wanted = check.layer_size(file);
  if (part == running.intake.parts.end() || part->second.layer_path.empty() || wanted == 0) return layer;
  std::string const path = staging_path(staging_of(running)) + "/" + part->second.layer_path;
  auto const facts = session_.disk().facts_of(path);
  if (!facts || facts.value().type != FileFacts::Type::file || facts.value().size != wanted * Sha256::size)
    return layer;
  auto const bytes = read_whole(session_.disk(), path, wanted * Sha256::size);
  for (std::uint64_t i = 0; bytes && bytes.value().size() == wanted * Sha256::size && i < wanted; ++i)
    std::copy_n(bytes_of(bytes.value()).subspan(i * Sha256::size).begin(), Sha256::size,
                layer.emplace_back().bytes.begin());
  return layer;
}

std::vector<fetchers::ByteRange> Acquisitions::verified_of(Running const& running, fetchers::PartCheck const& check,
                                                           std::size_t file) {
  std::size_t opened_of = running.metainfo->files.size();  // none
  std::optional<DiskFile> opened;
  auto const read = [&](std::size_t of, std::uint64_t at, std::span<std::byte> into) -> std::size_t {
    if (of != opened_of) {
      opened_of = of;
      opened.reset();
      std::string const path = place_of(running, of);
      auto const facts =
          path.empty() ? Result<FileFacts>{Error{Code::not_found, {}, {}, {}}} : session_.disk().facts_of(path);
      if (!facts || facts.value().type != FileFacts::Type::file) return 0;
      if (auto file_of = DiskFile::open(session_.disk(), path, Open::read)) opened = std::move(file_of).value();
    }
    std::size_t done = 0;
    while (opened && done < into.size()) {
      auto const got = opened->read(at + done, into.subspan(done));
      if (!got || got.value() == 0) break;
      done += got.value();
    }
    return done;
  };
  return check.verified(file, read, layer_of(running, check, file));
}

/// What the file list says of a part that is sealed. The piece hashes of v2 may have gone with the run that sealed it:
/// then nothing is said of its bytes, of which some were the torrent's.
Json Acquisitions::part_of(Running const& running, fetchers::PartCheck const& check, std::uint64_t file,
                           std::string const& exhibit, Sha256 const& digest) {
  Json part{{"exhibit", exhibit}, {"sha256", hex(digest)}};
  if (check.layer_size(file) > 0 && layer_of(running, check, file).empty()) return part;
  Json ranges = Json::array();
  std::uint64_t bytes = 0;
  for (fetchers::ByteRange const& range : verified_of(running, check, file)) {
    ranges.push_back({range.from, range.to});
    bytes += range.to - range.from;
  }
  part["verified_bytes"] = bytes;
  part["verified"] = std::move(ranges);
  return part;
}

/// Parts that were sealed before a crash kept their attempt's result from being written.
void Acquisitions::keep_parts_of_before(Running& running, fetchers::PartCheck const& check) {
  if (running.parts_before.empty()) return;
  for (std::size_t i = 0; i < running.metainfo->files.size(); ++i) {
    auto const before = running.parts_before.find(hex(bytes_of(running.metainfo->files[i].path_bytes)));
    if (before == running.parts_before.end() || is_sealed(running, i)) continue;
    auto const digest = digest_from_hex<Sha256>(before->second.sha256);
    if (!digest) continue;
    running.intake.sealed.emplace(i, *digest);
    running.intake.kept_parts.emplace(i, part_of(running, check, i, before->second.exhibit, *digest));
  }
}

/// Sealed first, then judged again: what the file list says of a part holds for the object, whatever the worker still
/// did to its own file. A part of which nothing is the torrent's is not kept.
Result<void> Acquisitions::seal_parts(Running& running) {
  Intake& intake = running.intake;
  if (!running.metainfo || (intake.parts.empty() && running.parts_before.empty())) return ok();
  auto const checked = fetchers::PartCheck::of(*running.metainfo);
  if (!checked) return ok();
  fetchers::PartCheck const& check = checked.value();
  std::vector<evidence::ToSeal> files;
  std::vector<std::uint64_t> of;
  for (auto const& [index, part] : intake.parts) {
    if (is_sealed(running, index)) continue;  // else its whole bytes would be judged, and speak for the part
    fetchers::TorrentFile const& file = running.metainfo->files[index];
    std::string const path = staging_path(staging_of(running)) + "/" + part.staged_path;
    auto const facts = session_.disk().facts_of(path);
    if (!facts || facts.value().type != FileFacts::Type::file || facts.value().size == 0 ||
        facts.value().size > file.size || verified_of(running, check, index).empty())
      continue;
    Json origin{{"type", "torrent"},
                {"path", shown(file.path_bytes, 1000)},
                {"path_hex", hex(bytes_of(file.path_bytes))},
                {"index", index}};
    add_hashes(origin, running.hashes);
    files.push_back({path,
                     facts.value().size,
                     {},
                     EntryDraft{"exhibit.sealed",
                                {{"role", "payload_part"}, {"origin", origin}},
                                running.case_name,
                                running.metadata_entry,
                                running.attempt,
                                {},
                                session_.new_id()}});
    of.push_back(index);
  }
  if (!files.empty()) IMPOUND_CHECK(seal_these_parts(running, check, files, of));
  keep_parts_of_before(running, check);
  return ok();
}

Result<void> Acquisitions::seal_these_parts(Running& running, fetchers::PartCheck const& check,
                                            std::vector<evidence::ToSeal> const& files,
                                            std::vector<std::uint64_t> const& of) {
  Intake& intake = running.intake;
  auto sealed = session_.sealing().seal(files);
  if (!sealed) {
    if (sealed.error().code == Code::no_space) session_.disk_full("sealing parts of a torrent's files");
    return std::move(sealed).error();
  }
  // All of them first: a piece may reach over two parts.
  for (std::size_t i = 0; i < of.size(); ++i)
    if (!sealed.value()[i].refused) intake.sealed.emplace(of[i], *sealed.value()[i].sha256);
  for (std::size_t i = 0; i < of.size(); ++i) {
    evidence::SealedFile const& file = sealed.value()[i];
    if (file.refused)
      intake.refused.push_back(running.metainfo->files[of[i]].path_bytes + " (in part): " + line(*file.refused));
    else
      intake.kept_parts.emplace(of[i], part_of(running, check, of[i], file.exhibit->text(), *file.sha256));
  }
  return ok();
}

}  // namespace impound::agent
