#include "evidence/case_graph.h"

#include <algorithm>
#include <cstring>

#include "evidence/erased_entry.h"
#include "evidence/formats/hex.h"

namespace impound::evidence {

namespace {

CaseRole role_of(std::string_view kind) {
  if (kind == "exhibit.sealed") return CaseRole::exhibit;
  if (kind == "capture.attempt" || kind == "acquisition.attempt") return CaseRole::attempt;
  if (kind == "capture.result" || kind == "acquisition.result") return CaseRole::result;
  if (kind == "note.added" || kind == "copy.made" || kind == "exhibit.digested") return CaseRole::remark;
  if (kind == "exhibit.erased" || kind == "entry.erased") return CaseRole::erasure;
  if (kind == "vault.created" || kind == "key.rotated" || kind == "rollback.accepted") return CaseRole::log_of_its_own;
  if (kind == "agent.started") return CaseRole::session;
  if (kind == "agent.stopped") return CaseRole::session_end;
  if (kind == "clock.stepped") return CaseRole::clock;
  if (kind == "settings.loaded") return CaseRole::settings;
  if (kind == "timestamp.attempt") return CaseRole::stamp_attempt;
  if (kind == "timestamp.result") return CaseRole::stamp_result;
  if (kind.starts_with("agent.") || kind.starts_with("cosign.") || kind == "vault.verified") return CaseRole::agent;
  return CaseRole::other;
}

/// The entry that a remark or an erasure is about, as its body names it.
std::optional<EntryId> subject_of(ReadEntry const& entry) {
  for (char const* key : {"subject", "exhibit", "capture", "entry"})
    if (auto const text = entry.text(key)) return EntryId::parse(*text);
  return std::nullopt;
}

}  // namespace

std::size_t CaseGraph::IdHash::operator()(Id const& id) const {
  std::size_t hash = 0;
  std::memcpy(&hash, id.data() + 8, sizeof hash);  // the random half of a UUID v7
  return hash;
}

std::optional<CaseGraph::Id> CaseGraph::id_of(std::string const& text) {
  if (!EntryId::parse(text)) return std::nullopt;
  std::string digits = text;
  std::erase(digits, '-');
  auto const bytes = from_hex(digits);
  Id id{};
  if (!bytes || bytes->size() != id.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), id.begin());
  return id;
}

std::optional<std::uint64_t> CaseGraph::find(std::string const& text) const {
  auto const id = id_of(text);
  if (!id) return std::nullopt;
  auto const found = ids_.find(*id);
  return found == ids_.end() ? std::nullopt : std::optional{found->second};
}

Result<void> CaseGraph::read(LogReader& log) {
  nodes.reserve(log.checkpoint().size);
  IMPOUND_CHECK(log.each(0, log.checkpoint().size, [this](std::uint64_t index, std::string_view bytes) -> Result<void> {
    nodes.emplace_back();
    if (bytes.empty()) return ok();  // blanked: what is known of it stands in its entry.erased
    IMPOUND_TRY(entry, read_entry(index, bytes));
    take(entry);
    return ok();
  }));
  settle();
  return ok();
}

void CaseGraph::link(std::uint64_t from, std::uint64_t CaseNode::*where, std::optional<EntryId> const& to) {
  if (!to) return;
  auto const id = id_of(to->text());
  auto const found = ids_.find(*id);
  if (found != ids_.end())
    nodes[from].*where = found->second;
  else
    loose_.push_back({from, where, *id});
}

void CaseGraph::take(ReadEntry const& entry) {
  std::uint64_t const index = entry.index;
  if (auto const id = id_of(entry.id().text())) ids_.emplace(*id, index);
  CaseNode& node = nodes[index];
  node.role = role_of(entry.kind());
  if (auto const name = entry.case_name()) (name->text() == case_ ? node.here : node.elsewhere) = true;
  link(index, &CaseNode::of, entry.of());
  link(index, &CaseNode::cause, entry.cause());
  link(index, &CaseNode::session, entry.session());
  if (node.role == CaseRole::remark || node.role == CaseRole::erasure) link(index, &CaseNode::about, subject_of(entry));
  if (node.role == CaseRole::exhibit) {
    if (auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or("")))
      exhibits.emplace_back(*digest, index);
    auto const origin = entry.body().find("origin");
    if (origin != entry.body().end() && origin->is_object() && origin->contains("capture") &&
        (*origin)["capture"].is_string())
      link(index, &CaseNode::capture, EntryId::parse((*origin)["capture"].get<std::string>()));
  }
  if (entry.kind() == "case.assigned" && entry.case_name())
    if (auto const subject = id_of(entry.text("subject").value_or("")))
      assigned_.emplace_back(*subject, entry.case_name()->text() == case_);
  if (node.role == CaseRole::erasure) take_erasure(entry);
  if (node.role == CaseRole::stamp_attempt || node.role == CaseRole::stamp_result) take_stamp(entry);
}

void CaseGraph::take_erasure(ReadEntry const& entry) {
  if (entry.kind() == "exhibit.erased") {
    if (auto const gone = erased_exhibit_from(entry)) erased.insert(gone.value().index);
    return;
  }
  auto const gone = erased_entry_from(entry);
  if (!gone) return;
  ErasedEntry const& blank = gone.value();
  if (!ids_.emplace(*id_of(blank.id->text()), blank.index).second) return;  // it is still there, or was told before
  CaseNode& node = nodes[blank.index];
  node.role = role_of(blank.kind);
  node.here = nodes[entry.index].here;
  node.elsewhere = nodes[entry.index].elsewhere;
  link(blank.index, &CaseNode::of, blank.of);
  link(blank.index, &CaseNode::cause, blank.cause);
}

void CaseGraph::take_stamp(ReadEntry const& entry) {
  if (nodes[entry.index].role == CaseRole::stamp_attempt) {
    if (auto const size = entry.number("size")) stamps.push_back({*size, entry.index, false});
    return;
  }
  auto const tokens = entry.body().find("tokens");
  bool const has_tokens = tokens != entry.body().end() && tokens->is_array() && !tokens->empty();
  if (!has_tokens) return;
  for (auto stamp = stamps.rbegin(); stamp != stamps.rend(); ++stamp) {
    if (stamp->attempt != nodes[entry.index].of) continue;
    stamp->has_tokens = true;
    return;
  }
}

void CaseGraph::settle() {
  for (Loose const& one : loose_)
    if (auto const found = ids_.find(one.to); found != ids_.end() && found->second < one.from)
      nodes[one.from].*one.where = found->second;
  loose_.clear();
  for (auto const& [subject, here] : assigned_)
    if (auto const found = ids_.find(subject); found != ids_.end())
      (here ? nodes[found->second].here : nodes[found->second].elsewhere) = true;
  std::sort(exhibits.begin(), exhibits.end());
  std::erase_if(stamps, [](Stamp const& stamp) { return !stamp.has_tokens; });
  std::stable_sort(stamps.begin(), stamps.end(), [](Stamp const& a, Stamp const& b) { return a.size < b.size; });
}

}  // namespace impound::evidence
