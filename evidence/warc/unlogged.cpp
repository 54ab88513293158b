#include "evidence/warc/unlogged.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "evidence/formats/hex.h"
#include "evidence/torn.h"
#include "evidence/warc/capture_end.h"
#include "evidence/warc/reader.h"

namespace impound::evidence {

namespace {

/// The tail becomes a file of its own, durable, before it is cut off.
Result<void> copy_tail(Disk& vault, DiskFile& from, std::string const& name, std::uint64_t offset) {
  std::string const draft = "staging/sealing/" + name + ".tail";
  if (auto gone = vault.remove(draft); !gone && gone.error().code != Code::not_found) return std::move(gone).error();
  {
    IMPOUND_TRY(to, DiskFile::open(vault, draft, Open::create));
    std::vector<std::byte> block(256 * 1024);
    for (std::uint64_t done = 0;;) {
      IMPOUND_TRY(count, from.read(offset + done, block));
      if (count == 0) break;
      IMPOUND_CHECK(to.write(done, Bytes{block}.first(count)));
      done += count;
    }
    IMPOUND_CHECK(to.sync());
  }
  IMPOUND_CHECK(set_aside(vault, draft, name + "." + std::to_string(offset)));
  return vault.sync_folder("staging/torn");
}

constexpr std::size_t records_of_a_capture_max = 50;  // no entry holds a longer list

/// Keeps the beginning of a block, enough for one that ends a capture.
struct BlockStart {
  std::string bytes;
  void add(Bytes more) {
    std::size_t const room = capture_end_bytes_max + 1 - std::min(bytes.size(), capture_end_bytes_max + 1);
    bytes.append(text_of(more.first(std::min(room, more.size()))));
  }
};

/// The record as an entry would name it; nothing when its block is not the one that its digest is of.
std::optional<WrittenRecord> place_of(WarcMember const& member, std::string const& path) {
  auto const type = member.header("WARC-Type");
  auto const id = member.header("WARC-Record-ID");
  if (!type || !id || id->size() < 3 || id->front() != '<' || id->back() != '>') return std::nullopt;
  if (member.header("WARC-Block-Digest") != "sha256:" + hex(member.block_sha256)) return std::nullopt;
  return WrittenRecord{
      std::string(*type), std::string(id->substr(1, id->size() - 2)), path, member.offset, member.length,
      member.sha256};
}

/// Whether these records are the capture that `end` ends, behind what the file needed first.
bool whole_capture(std::vector<WrittenRecord> const& records, CaptureEnd const& end) {
  if (end.records == 0 || end.records > records.size()) return false;
  return std::all_of(records.begin(), records.end() - static_cast<std::ptrdiff_t>(end.records),
                     [](WrittenRecord const& one) { return one.type == "warcinfo" || one.type == "resource"; });
}

class Adoption {
 public:
  Adoption(Disk& vault, std::function<bool(EntryId const&)> const& open, std::vector<AdoptedCapture>& adopted)
      : vault_(vault), open_(open), adopted_(adopted) {}

  /// Where the last adopted capture of the file ends; `from` when there is none.
  Result<std::uint64_t> adopt(std::string const& path, std::uint64_t from) {
    IMPOUND_TRY(reader, WarcReader::open(vault_, path, WarcReadLimits{}));
    reader->seek(from);
    std::vector<WrittenRecord> records;
    for (std::uint64_t end = from;;) {
      BlockStart block;
      auto member = reader->next([&block](Bytes bytes) { block.add(bytes); });
      if (!member && member.error().code != Code::malformed && member.error().code != Code::refused)
        return std::move(member).error();
      if (!member || !member.value()) return end;
      auto place = place_of(*member.value(), path);
      if (!place || records.size() == records_of_a_capture_max) return end;
      bool const may_end = place->type == "metadata";
      records.push_back(*std::move(place));
      auto ends = may_end ? capture_end_from(block.bytes) : std::nullopt;
      if (!ends) continue;
      if (!whole_capture(records, *ends) || !open_(ends->attempt) || !taken_.insert(ends->attempt).second) return end;
      end = records.back().offset + records.back().length;
      adopted_.push_back({ends->attempt, std::move(ends->result), std::exchange(records, {})});
    }
  }

 private:
  Disk& vault_;
  std::function<bool(EntryId const&)> const& open_;
  std::vector<AdoptedCapture>& adopted_;
  std::set<EntryId> taken_;
};

}  // namespace

Result<SettledWarcs> settle_unlogged(Disk& vault, LoggedWarcs const& logged,
                                     std::function<bool(EntryId const&)> const& open) {
  SettledWarcs settled;
  Adoption adoption(vault, open, settled.adopted);
  IMPOUND_TRY(files, vault.list("warc", 1'000'000));
  for (FolderEntry const& entry : files) {
    if (entry.type != FileFacts::Type::file) continue;
    std::string const path = "warc/" + entry.name;
    IMPOUND_TRY(facts, vault.facts_of(path));
    LoggedWarc const said = logged.of(path);
    if (facts.mode != 0600 || said.closed) continue;
    if (facts.size == said.end && said.end > 0) continue;  // an empty file is named by nothing
    IMPOUND_TRY(file, DiskFile::open(vault, path, Open::write));
    if (facts.size < said.end) {
      IMPOUND_CHECK(file.set_mode(0400));
      continue;
    }
    std::uint64_t end = said.end;
    if (!said.rewritten) {
      IMPOUND_TRY(adopted_end, adoption.adopt(path, said.end));
      end = adopted_end;
    }
    if (end > said.end) {
      // Present is not durable, neither the bytes nor, of a new file, the name.
      IMPOUND_CHECK(file.sync());
      IMPOUND_CHECK(vault.sync_folder("warc"));
    }
    if (facts.size == end && end > 0) continue;
    settled.set_aside.push_back({path, end, facts.size - end});
    if (end == 0) {
      IMPOUND_CHECK(set_aside(vault, path, entry.name + ".0"));
      IMPOUND_CHECK(vault.sync_folder("staging/torn"));
      IMPOUND_CHECK(vault.sync_folder("warc"));
      continue;
    }
    IMPOUND_CHECK(copy_tail(vault, file, entry.name, end));
    IMPOUND_CHECK(file.truncate(end));
    IMPOUND_CHECK(file.sync());
  }
  return settled;
}

}  // namespace impound::evidence
