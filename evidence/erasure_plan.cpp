// What an order of erasure would do, judged before anything is written. See erasure.h.
#include <algorithm>
#include <optional>
#include <utility>

#include "evidence/case_content.h"
#include "evidence/cases.h"
#include "evidence/erasure.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/warc/cutting.h"
#include "evidence/warc/record.h"

namespace impound::evidence {

namespace {

Error in_the_way(Code code, std::string what, std::uint64_t index, std::string hint = {}) {
  return Error{code, std::move(what), "entry " + std::to_string(index), std::move(hint)};
}

bool is_attempt(std::string_view kind) { return kind == "acquisition.attempt" || kind == "capture.attempt"; }
bool is_result(std::string_view kind) { return kind == "acquisition.result" || kind == "capture.result"; }

class Plan {
 public:
  Plan(Disk& vault, LogReader& log, ErasureOrder const& order) : vault_(vault), log_(log), order_(order) {}

  Result<std::vector<EntryDraft>> run() {
    if (order_.order.empty()) return Error{Code::usage, "an erasure names the order it obeys", {}, {}};
    if (order_.exhibits.empty() && order_.entries.empty())
      return Error{Code::usage, "an order of erasure names nothing", {}, {}};
    bytes_.insert(order_.exhibits.begin(), order_.exhibits.end());
    blank_.insert(order_.entries.begin(), order_.entries.end());
    IMPOUND_CHECK(each([this](ReadEntry const& entry, std::string_view raw) { return look_at(entry, raw); }));
    IMPOUND_CHECK(judge_targets());
    IMPOUND_CHECK(each([this](ReadEntry const& entry, std::string_view) { return look_for_others(entry); }));
    IMPOUND_CHECK(judge_holds());
    IMPOUND_CHECK(judge_files());
    return drafts();
  }

 private:
  struct Target {
    ReadEntry entry;
    std::string raw;
  };

  Result<void> each(std::function<Result<void>(ReadEntry const&, std::string_view)> const& take) {
    return log_.each(0, log_.checkpoint().size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
      if (bytes.empty()) return ok();
      IMPOUND_TRY(entry, read_entry(index, bytes));
      return take(entry, bytes);
    });
  }

  Result<void> look_at(ReadEntry const& entry, std::string_view raw) {
    cases_.take(entry);
    if (is_result(entry.kind()) && entry.of()) open_.erase(*entry.of());
    if (entry.kind() == "exhibit.erased")
      if (auto erased = erased_exhibit_from(entry)) erased_before_.insert(erased.value().index);
    if (entry.kind() == "capture.result") IMPOUND_CHECK(look_at_records(entry));
    if (!bytes_.contains(entry.index) && !blank_.contains(entry.index)) return ok();
    targets_.emplace(entry.index, Target{entry, std::string(raw)});
    // Open until a result of it comes by.
    if (is_attempt(entry.kind())) open_.emplace(entry.id(), entry.index);
    if (entry.kind() == "exhibit.sealed" && entry.of()) open_.emplace(*entry.of(), entry.index);
    return ok();
  }

  /// Where the records of each WARC file end.
  Result<void> look_at_records(ReadEntry const& entry) {
    auto const records = entry.body().find("records");
    if (records == entry.body().end()) return ok();
    for (Json const& json : *records) {
      IMPOUND_TRY(record, written_record_from(json));
      std::uint64_t& end = ends_[record.file];
      end = std::max(end, record.offset + record.length);
    }
    return ok();
  }

  Result<void> judge_targets() {
    for (auto const* wanted : {&bytes_, &blank_})
      for (std::uint64_t const index : *wanted)
        if (!targets_.contains(index))
          return in_the_way(Code::not_found, "there is no such entry, or it is erased", index);
    for (auto const& [attempt, index] : open_)
      return in_the_way(Code::refused, "what this belongs to is not over: " + attempt.text(), index,
                        "Wait for its result, or cancel it");
    for (std::uint64_t const index : blank_) {
      ReadEntry const& entry = targets_.at(index).entry;
      if (!may_be_blanked(entry.kind()))
        return in_the_way(Code::refused, "an entry of this kind is never erased: " + entry.kind(), index);
      // What the entry vouches for goes with it: nothing else would.
      bool const vouches =
          entry.kind() == "exhibit.sealed" || (entry.kind() == "capture.result" && entry.body().contains("records"));
      if (vouches && !erased_before_.contains(index)) bytes_.insert(index);
    }
    for (std::uint64_t const index : bytes_) IMPOUND_CHECK(judge_bytes(index));
    return ok();
  }

  Result<void> judge_bytes(std::uint64_t index) {
    ReadEntry const& entry = targets_.at(index).entry;
    if (erased_before_.contains(index))
      return in_the_way(Code::not_found, "what this entry vouches for is erased already", index);
    ErasedExhibit erased;
    erased.index = index;
    erased.id = entry.id();
    if (entry.kind() == "exhibit.sealed") {
      auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or(""));
      auto const size = entry.number("size");
      if (!digest || !size) return in_the_way(Code::damaged, "an exhibit without sha256 or size", index);
      erased.object = ErasedObject{*digest, *size};
      objects_.insert(*digest);
    } else if (entry.kind() == "capture.result" && entry.body().contains("records")) {
      for (Json const& json : entry.body()["records"]) {
        IMPOUND_TRY(record, written_record_from(json));
        erased.records.push_back({record.file, record.offset, record.length, record.sha256});
        files_[record.file].insert(record.sha256);
      }
    } else {
      return in_the_way(Code::refused, "this entry vouches for no bytes: " + entry.kind(), index,
                        "Exhibits and captures that were kept do");
    }
    erased_.emplace(index, std::move(erased));
    return ok();
  }

  /// The same bytes must not be vouched for by an entry that stays.
  Result<void> look_for_others(ReadEntry const& entry) {
    if (bytes_.contains(entry.index) || erased_before_.contains(entry.index)) return ok();
    if (entry.kind() == "exhibit.sealed") {
      auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or(""));
      if (digest && objects_.contains(*digest))
        return in_the_way(Code::refused, "the same object is also another exhibit: " + entry.id().text(), entry.index,
                          "An object goes with all of its exhibits: name them all");
    }
    if (entry.kind() != "capture.result" || !entry.body().contains("records")) return ok();
    for (Json const& json : entry.body()["records"]) {
      IMPOUND_TRY(record, written_record_from(json));
      auto const file = files_.find(record.file);
      if (file != files_.end() && file->second.contains(record.sha256))
        return in_the_way(Code::refused, "the same record is also another capture's: " + entry.id().text(),
                          entry.index);
    }
    return ok();
  }

  Result<void> judge_holds() {
    for (auto const& [text, state] : cases_.by_name()) {
      auto const name = CaseName::parse(text);
      if (!state.held || !name) continue;
      IMPOUND_TRY(content, case_content(log_, *name));
      for (auto const& [index, target] : targets_)
        if (std::binary_search(content.entries.begin(), content.entries.end(), index))
          return in_the_way(Code::refused, "it belongs to case " + text + ", on which a hold stands", index,
                            "impound case release " + text + ", if that may be");
    }
    return ok();
  }

  Result<void> judge_files() {
    for (auto const& [path, records] : files_) {
      IMPOUND_TRY(facts, vault_.facts_of(path));
      // What a crash left at its end goes with the next start, and the file that this order foretells would never be.
      if (facts.size > ends_[path])
        return Error{Code::refused, "the file has bytes at its end that no entry names yet", path,
                     "Start the agent once, it sets them aside; then erase"};
      IMPOUND_TRY(cut, judge_cut(vault_, path, records));
      if (cut.records != records.size())
        return Error{Code::damaged, "not every record to be cut is in the file", path, "impound verify tells more"};
      rewritten_.emplace(path, RewrittenFile{path, cut.before, cut.after, cut.bytes_after});
    }
    return ok();
  }

  Result<LeafHash> leaf_of(std::uint64_t index) {
    TileName const name = tile_of(0, index, log_.checkpoint().size);
    IMPOUND_TRY(tile, log_.tile(name));
    LeafHash const leaf = leaf_hash(bytes_of(targets_.at(index).raw));
    if (tile.compare(index % tile_width * LeafHash::size, LeafHash::size, text_of(leaf.bytes)) != 0)
      return in_the_way(Code::damaged, "the entry does not hash to its leaf", index, "impound verify tells more");
    return leaf;
  }

  EntryDraft draft(std::string kind, Json body, ReadEntry const& of) const {
    body["order"] = order_.order;
    if (!order_.why.empty()) body["why"] = order_.why;
    return {std::move(kind), std::move(body), of.case_name(), {}, {}, order_.by, {}};
  }

  Result<std::vector<EntryDraft>> drafts() {
    std::vector<EntryDraft> drafts;
    for (auto& [index, erased] : erased_) {
      std::set<std::string> named;
      for (ErasedRecord const& record : erased.records)
        if (named.insert(record.file).second) erased.files.push_back(rewritten_.at(record.file));
      drafts.push_back(draft("exhibit.erased", to_json(erased), targets_.at(index).entry));
    }
    for (std::uint64_t const index : blank_) {
      ReadEntry const& entry = targets_.at(index).entry;
      IMPOUND_TRY(leaf, leaf_of(index));
      ErasedEntry const erased{index, entry.id(), entry.kind(), leaf, entry.of(), entry.cause()};
      drafts.push_back(draft("entry.erased", to_json(erased), entry));
    }
    return drafts;
  }

  Disk& vault_;
  LogReader& log_;
  ErasureOrder const& order_;
  std::set<std::uint64_t> bytes_;
  std::set<std::uint64_t> blank_;
  std::map<std::uint64_t, Target> targets_;
  std::map<EntryId, std::uint64_t> open_;  // attempts that matter and have no result
  std::set<std::uint64_t> erased_before_;
  Cases cases_;
  std::set<Sha256> objects_;
  std::map<std::string, std::set<Sha256>> files_;
  std::map<std::string, std::uint64_t> ends_;  // by WARC file
  std::map<std::uint64_t, ErasedExhibit> erased_;
  std::map<std::string, RewrittenFile> rewritten_;
};

}  // namespace

Result<std::vector<EntryDraft>> plan_erasure(Disk& vault, LogReader& log, ErasureOrder const& order) {
  return Plan(vault, log, order).run();
}

}  // namespace impound::evidence
