// What is kept of files that never became whole, when an acquisition is given up: the part as it lies there, and which
// ranges of it hold against the torrent's piece hashes. See acquisition.h.
#include "agent/work/acquisition.h"
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

std::vector<fetchers::ByteRange> Acquisitions::verified_of(Running const& running, std::size_t file) {
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
  auto ranges = fetchers::verified_ranges(*running.metainfo, file, read);
  return ranges ? std::move(ranges).value() : std::vector<fetchers::ByteRange>{};
}

/// Sealed first, then judged again: what the file list says of a part holds for the object, whatever the worker still
/// did to its own file. A part of which nothing is the torrent's is not kept.
Result<void> Acquisitions::seal_parts(Running& running) {
  Intake& intake = running.intake;
  std::vector<evidence::ToSeal> files;
  std::vector<std::uint64_t> of;
  for (auto const& [index, part] : intake.parts) {
    if (is_sealed(running, index)) continue;  // else its whole bytes would be judged, and speak for the part
    fetchers::TorrentFile const& file = running.metainfo->files[index];
    std::string const path = staging_path(staging_of(running)) + "/" + part.staged_path;
    auto const facts = session_.disk().facts_of(path);
    if (!facts || facts.value().type != FileFacts::Type::file || facts.value().size == 0 ||
        facts.value().size > file.size || verified_of(running, index).empty())
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
  if (files.empty()) return ok();
  auto sealed = session_.sealing().seal(files);
  if (!sealed) {
    if (sealed.error().code == Code::no_space) session_.disk_full("sealing parts of a torrent's files");
    return std::move(sealed).error();
  }
  for (std::size_t i = 0; i < of.size(); ++i)
    if (!sealed.value()[i].refused) intake.sealed.emplace(of[i], *sealed.value()[i].sha256);
  for (std::size_t i = 0; i < of.size(); ++i) {
    evidence::SealedFile const& file = sealed.value()[i];
    if (file.refused) {
      intake.refused.push_back(running.metainfo->files[of[i]].path_bytes + " (in part): " + line(*file.refused));
      continue;
    }
    Json ranges = Json::array();
    std::uint64_t bytes = 0;
    for (fetchers::ByteRange const& range : verified_of(running, of[i])) {
      ranges.push_back({range.from, range.to});
      bytes += range.to - range.from;
    }
    intake.kept_parts.emplace(of[i], Json{{"exhibit", file.exhibit->text()},
                                          {"sha256", hex(*file.sha256)},
                                          {"verified_bytes", bytes},
                                          {"verified", std::move(ranges)}});
  }
  return ok();
}

}  // namespace impound::agent
