#include "evidence/erasure.h"

#include <algorithm>
#include <utility>

#include "evidence/blanking.h"
#include "evidence/formats/hex.h"
#include "evidence/open_file_hash.h"
#include "evidence/vault.h"
#include "evidence/warc/cutting.h"

namespace impound::evidence {

Result<OrderedErasures> OrderedErasures::read(LogReader& log) {
  OrderedErasures ordered;
  IMPOUND_CHECK(log.each(0, log.checkpoint().size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
    if (bytes.empty()) {
      ordered.take_blank(index);
      return ok();
    }
    IMPOUND_TRY(entry, read_entry(index, bytes));
    ordered.take(entry);
    return ok();
  }));
  return ordered;
}

void OrderedErasures::take(ReadEntry const& entry) {
  // What cannot be read orders nothing: verify names it.
  if (entry.kind() == "exhibit.erased")
    if (auto erased = erased_exhibit_from(entry)) exhibits_.push_back(std::move(erased).value());
  if (entry.kind() == "entry.erased")
    if (auto erased = erased_entry_from(entry)) entries_[erased.value().index] = erased.value().leaf;
}

class Destruction {
 public:
  Destruction(Disk& vault, LogReader& log, OrderedErasures const& ordered)
      : vault_(vault), log_(log), ordered_(ordered) {}

  Result<Destroyed> run() {
    IMPOUND_CHECK(unlink_objects());
    cut_files();
    blank();
    return std::move(done_);
  }

 private:
  /// Files of staging/ that hold an erased object: a crash can have left them there, under any name.
  Result<std::multimap<Sha256, std::string>> find_strays() {
    std::set<std::uint64_t> sizes;
    std::set<Sha256> digests;
    for (ErasedExhibit const& one : ordered_.exhibits_) {
      if (!one.object) continue;
      sizes.insert(one.object->size);
      digests.insert(one.object->sha256);
    }
    std::multimap<Sha256, std::string> strays;
    if (digests.empty()) return strays;
    std::vector<std::byte> block(256 * 1024);
    for (std::string const folder : {"staging/sealing", "staging/torn"}) {
      IMPOUND_TRY(files, vault_.list(folder, 1'000'000));
      for (FolderEntry const& entry : files) {
        std::string const path = folder + "/" + entry.name;
        auto const facts = vault_.facts_of(path);
        if (!facts || facts.value().type != FileFacts::Type::file || !sizes.contains(facts.value().size)) continue;
        IMPOUND_TRY(file, DiskFile::open(vault_, path, Open::read));
        IMPOUND_TRY(hashed, hash_open_file(file, facts.value().size, block));
        if (digests.contains(hashed.sha256)) strays.emplace(hashed.sha256, path);
      }
    }
    return strays;
  }

  /// Of the erased objects those whose bytes are there and that no other exhibit vouches for: the same bytes may have
  /// been sealed again since.
  Result<std::set<Sha256>> objects_to_go(std::multimap<Sha256, std::string> const& strays) {
    std::set<Sha256> there;
    std::set<std::uint64_t> erased;
    for (ErasedExhibit const& one : ordered_.exhibits_) {
      if (!one.object) continue;
      erased.insert(one.index);
      if (strays.contains(one.object->sha256) || vault_.facts_of(object_path(one.object->sha256)))
        there.insert(one.object->sha256);
    }
    if (there.empty()) return there;
    IMPOUND_CHECK(
        log_.each(0, log_.checkpoint().size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
          if (bytes.empty() || erased.contains(index)) return ok();
          IMPOUND_TRY(entry, read_entry(index, bytes));
          if (entry.kind() != "exhibit.sealed") return ok();
          if (auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or(""))) there.erase(*digest);
          return ok();
        }));
    return there;
  }

  void unlink(std::string const& path) {
    auto gone = vault_.remove(path);
    if (gone)
      ++done_.objects;
    else if (gone.error().code != Code::not_found)
      fail(path, std::move(gone).error());
  }

  void fail(std::string const& path, Error error) {
    left_.insert(path);
    done_.failed.push_back(std::move(error));
  }

  Result<void> unlink_objects() {
    IMPOUND_TRY(strays, find_strays());
    IMPOUND_TRY(to_go, objects_to_go(strays));
    // Also where nothing was left to do: an earlier run may have died between the removal and this sync.
    std::set<std::string> folders;
    for (ErasedExhibit const& one : ordered_.exhibits_)
      if (one.object) folders.emplace(folder_of(object_path(one.object->sha256)));
    for (Sha256 const& object : to_go) {
      unlink(object_path(object));
      for (auto [stray, end] = strays.equal_range(object); stray != end; ++stray) {
        unlink(stray->second);
        folders.emplace(folder_of(stray->second));
      }
    }
    for (std::string const& folder : folders) IMPOUND_CHECK(vault_.sync_folder(folder));
    return ok();
  }

  struct WarcFile {
    std::set<Sha256> records;
    std::uint64_t bytes_after = 0;  // as the newest order has it; 0: nothing was to be left
  };

  void cut_files() {
    std::map<std::string, WarcFile> files;
    for (ErasedExhibit const& one : ordered_.exhibits_) {
      for (ErasedRecord const& record : one.records) files[record.file].records.insert(record.sha256);
      for (RewrittenFile const& file : one.files) files[file.file].bytes_after = file.bytes_after;
    }
    for (auto const& [path, wanted] : files) {
      auto const facts = vault_.facts_of(path);
      // A rewritten file is closed and as long as its order says; reading it through at every start would be slow.
      if (facts && facts.value().mode == 0400 && facts.value().size == wanted.bytes_after) continue;
      if (auto cut = cut_records(vault_, path, wanted.records); !cut)
        fail(path, cut.error());
      else if (facts)
        ++done_.files;
    }
  }

  /// An entry is blanked when its bytes are gone, and not before: as long as they are there it says what they are, and
  /// nothing takes them for bytes that nobody named.
  void blank() {
    std::map<std::uint64_t, LeafHash> left;
    for (auto const& [index, leaf] : ordered_.entries_)
      if (!ordered_.blanks_.contains(index)) left.emplace(index, leaf);
    for (ErasedExhibit const& one : ordered_.exhibits_) {
      bool const object_left = one.object && left_.contains(object_path(one.object->sha256));
      bool const record_left = std::any_of(one.records.begin(), one.records.end(),
                                           [this](ErasedRecord const& record) { return left_.contains(record.file); });
      if (object_left || record_left) left.erase(one.index);
    }
    auto blanked = blank_entries(vault_, log_.checkpoint().size, left);
    if (blanked)
      done_.entries += blanked.value();
    else
      done_.failed.push_back(std::move(blanked).error());
  }

  Disk& vault_;
  LogReader& log_;
  OrderedErasures const& ordered_;
  std::set<std::string> left_;  // what could not be destroyed
  Destroyed done_;
};

Result<Destroyed> carry_out(Disk& vault, LogReader& log, OrderedErasures const& ordered) {
  if (ordered.empty()) return Destroyed{};
  return Destruction(vault, log, ordered).run();
}

Result<Destroyed> erase(Disk& vault, ErasureLog const& log, ErasureOrder const& order) {
  std::vector<EntryDraft> drafts;
  {
    IMPOUND_TRY(before, log.read());
    IMPOUND_TRY(planned, plan_erasure(vault, before, order));
    drafts = std::move(planned);
  }
  IMPOUND_CHECK(log.record(std::move(drafts)));
  IMPOUND_CHECK(log.publish());
  // Beyond this line it is ordered: what is not destroyed now, the next start destroys.
  IMPOUND_TRY(reader, log.read());
  IMPOUND_TRY(ordered, OrderedErasures::read(reader));
  return carry_out(vault, reader, ordered);
}

}  // namespace impound::evidence
