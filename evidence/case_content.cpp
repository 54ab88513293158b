#include "evidence/case_content.h"

#include <algorithm>
#include <functional>

#include "evidence/case_graph.h"
#include "evidence/formats/hex.h"

namespace impound::evidence {

namespace {

constexpr unsigned body_depth_max = 8;

/// What comes down from a case by `of` and `cause`: its work, not what the agent says of itself meanwhile.
bool comes_down(CaseRole role) {
  switch (role) {
    case CaseRole::other:
    case CaseRole::exhibit:
    case CaseRole::attempt:
    case CaseRole::result:
    case CaseRole::remark:
    case CaseRole::erasure: return true;
    default: return false;
  }
}

class Collection {
 public:
  Collection(LogReader& log, std::string name) : log_(log), graph_(std::move(name)) {}

  Result<CaseContent> run() {
    IMPOUND_CHECK(graph_.read(log_));
    in_.resize(graph_.nodes.size());
    core_.resize(graph_.nodes.size());
    go_down();
    if (std::find(in_.begin(), in_.end(), true) == in_.end()) return CaseContent{};
    complete_attempts();
    IMPOUND_CHECK(add_named());
    add_needed();
    return content();
  }

 private:
  std::vector<CaseNode> const& nodes() const { return graph_.nodes; }

  /// Links lead to earlier entries: one sweep finds all that comes down.
  void go_down() {
    auto const from = [this](std::uint64_t link) { return link != no_entry && core_[link]; };
    for (std::uint64_t i = 0; i < nodes().size(); ++i) {
      CaseNode const& node = nodes()[i];
      bool const below =
          comes_down(node.role) && !graph_.foreign(i) && (from(node.of) || from(node.cause) || from(node.about));
      core_[i] = node.here || below;
      if (core_[i]) add_with_above(i);
    }
  }

  /// The entry, and what it came from, to the first capture.
  void add_with_above(std::uint64_t index) {
    std::vector<std::uint64_t> left{index};
    while (!left.empty()) {
      std::uint64_t const i = left.back();
      left.pop_back();
      if (i == no_entry || in_[i]) continue;
      in_[i] = true;
      fresh_.push_back(i);
      CaseNode const& node = nodes()[i];
      left.insert(left.end(), {node.of, node.cause, node.capture});
      if (node.about != no_entry && !graph_.foreign(node.about)) left.push_back(node.about);
    }
  }

  /// An attempt without its result would look like a hole, an erasure without its entry is one.
  void complete_attempts() {
    for (std::uint64_t i = 0; i < nodes().size(); ++i) {
      CaseNode const& node = nodes()[i];
      bool const result = node.role == CaseRole::result && node.of != no_entry && in_[node.of] && !graph_.foreign(i);
      if (result) add_with_above(i);
      if (node.role == CaseRole::erasure && node.about != no_entry && in_[node.about]) add_with_above(i);
    }
  }

  Result<void> each_of(std::vector<bool> const& wanted, std::function<Result<void>(ReadEntry const&)> const& take) {
    return log_.each(0, log_.checkpoint().size, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
      if (!wanted[index] || bytes.empty()) return ok();
      IMPOUND_TRY(entry, read_entry(index, bytes));
      return take(entry);
    });
  }

  /// What the bodies name, by id or by digest; what that brings may name more, at most a few steps on.
  Result<void> add_named() {
    while (!fresh_.empty()) {
      std::vector<bool> wanted(nodes().size());
      for (std::uint64_t const i : std::exchange(fresh_, {})) wanted[i] = comes_down(nodes()[i].role);
      std::vector<std::uint64_t> ids;
      std::vector<Sha256> digests;
      IMPOUND_CHECK(each_of(wanted, [&](ReadEntry const& entry) -> Result<void> {
        bool const by_digest = core_[entry.index] && nodes()[entry.index].role != CaseRole::exhibit;
        collect(entry.body(), by_digest, 0, ids, digests);
        return ok();
      }));
      for (std::uint64_t const i : ids)
        if (!graph_.foreign(i)) add_with_above(i);
      for (Sha256 const& digest : digests) add_exhibit_of(digest);
      complete_attempts();
    }
    return ok();
  }

  void collect(Json const& json, bool by_digest, unsigned depth, std::vector<std::uint64_t>& ids,
               std::vector<Sha256>& digests) {
    if (depth > body_depth_max || !json.is_structured()) return;
    for (auto item = json.begin(); item != json.end(); ++item) {
      collect(*item, by_digest, depth + 1, ids, digests);
      if (!item->is_string()) continue;
      std::string const& text = item->get_ref<std::string const&>();
      if (auto const index = graph_.find(text)) ids.push_back(*index);
      bool const info_hash = json.is_object() && item.key() == "info_hash_v2";
      if (auto const digest = digest_from_hex<Sha256>(text); digest && by_digest && !info_hash)
        digests.push_back(*digest);
    }
  }

  void add_exhibit_of(Sha256 const& digest) {
    auto const first =
        std::lower_bound(graph_.exhibits.begin(), graph_.exhibits.end(), std::pair{digest, std::uint64_t{0}});
    auto chosen = no_entry;
    for (auto one = first; one != graph_.exhibits.end() && one->first == digest; ++one) {
      if (in_[one->second]) return;
      if (chosen == no_entry && !graph_.foreign(one->second)) chosen = one->second;
    }
    if (chosen != no_entry) add_with_above(chosen);
  }

  void add_needed() {
    std::vector<bool> const evidence = in_;
    std::uint64_t loaded = no_entry;
    for (std::uint64_t i = 0; i < nodes().size(); ++i) {
      if (nodes()[i].role == CaseRole::settings) loaded = i;
      if (evidence[i] && loaded != no_entry) in_[loaded] = true;
      if (nodes()[i].role == CaseRole::log_of_its_own) in_[i] = true;
      if (!evidence[i]) continue;
      auto const first =
          std::upper_bound(graph_.stamps.begin(), graph_.stamps.end(), i,
                           [](std::uint64_t index, CaseGraph::Stamp const& stamp) { return index < stamp.size; });
      if (first != graph_.stamps.end()) in_[first->attempt] = true;
    }
    for (std::uint64_t i = 0; i < nodes().size(); ++i) {
      CaseNode const& node = nodes()[i];
      if (node.role == CaseRole::settings && in_[i]) settings_.push_back(i);
      if (node.role == CaseRole::stamp_result && node.of != no_entry && in_[node.of]) in_[i] = true;
    }
    std::vector<bool> const chosen = in_;
    for (std::uint64_t i = 0; i < nodes().size(); ++i)
      if (chosen[i] && nodes()[i].session != no_entry) in_[nodes()[i].session] = true;
    for (std::uint64_t i = 0; i < nodes().size(); ++i) {
      CaseNode const& node = nodes()[i];
      bool const of_session = node.role == CaseRole::session_end || node.role == CaseRole::clock;
      if (of_session && node.session != no_entry && in_[node.session]) in_[i] = true;
    }
  }

  Result<CaseContent> content() {
    std::vector<bool> wanted(nodes().size());
    for (std::uint64_t const i : settings_) wanted[i] = true;
    IMPOUND_CHECK(each_of(wanted, [this](ReadEntry const& entry) -> Result<void> {
      if (auto const exhibit = graph_.find(entry.text("exhibit").value_or(""))) in_[*exhibit] = true;
      return ok();
    }));
    CaseContent content;
    for (std::uint64_t i = 0; i < nodes().size(); ++i)
      if (in_[i]) content.entries.push_back(i);
    IMPOUND_CHECK(each_of(in_, [&](ReadEntry const& entry) { return add_bytes(entry, content); }));
    auto const place = [](WrittenRecord const& one) { return std::tie(one.file, one.offset, one.sha256); };
    std::sort(content.records.begin(), content.records.end(),
              [&](auto const& a, auto const& b) { return place(a) < place(b); });
    auto const each_once = [](auto& list) { list.erase(std::unique(list.begin(), list.end()), list.end()); };
    std::sort(content.objects.begin(), content.objects.end());
    std::sort(content.timestamp_files.begin(), content.timestamp_files.end());
    each_once(content.objects), each_once(content.records), each_once(content.timestamp_files);
    return content;
  }

  Result<void> add_bytes(ReadEntry const& entry, CaseContent& content) {
    CaseRole const role = nodes()[entry.index].role;
    if (role == CaseRole::stamp_attempt || role == CaseRole::stamp_result)
      collect_files(entry.body(), 0, content.timestamp_files);
    if (graph_.erased.contains(entry.index)) return ok();
    if (role == CaseRole::exhibit) {
      auto const digest = digest_from_hex<Sha256>(entry.text("sha256").value_or(""));
      auto const size = entry.number("size");
      if (digest && size) content.objects.push_back({*digest, *size});
    }
    if (entry.kind() != "capture.result" || !entry.body().contains("records")) return ok();
    for (Json const& json : entry.body()["records"]) {
      IMPOUND_TRY(record, written_record_from(json));
      content.records.push_back(std::move(record));
    }
    return ok();
  }

  static void collect_files(Json const& json, unsigned depth, std::vector<std::string>& files) {
    if (depth > body_depth_max || !json.is_structured()) return;
    for (auto item = json.begin(); item != json.end(); ++item) {
      collect_files(*item, depth + 1, files);
      if (!item->is_string()) continue;
      std::string const& text = item->get_ref<std::string const&>();
      if (text.starts_with("timestamps/") || text.starts_with("log/checkpoints/")) files.push_back(text);
    }
  }

  LogReader& log_;
  CaseGraph graph_;
  std::vector<bool> core_;  // of the case itself, or come down from it
  std::vector<bool> in_;
  std::vector<std::uint64_t> fresh_;  // added, and not yet asked what they name
  std::vector<std::uint64_t> settings_;
};

}  // namespace

Result<CaseContent> case_content(LogReader& log, CaseName const& name) { return Collection(log, name.text()).run(); }

}  // namespace impound::evidence
