// What a SimulatedDisk is made of: files and folders as processes see them and as the platter has them, the changes
// between the two, and the step that ends as its plan says. Private to simulated_disk.cpp and simulated_world.cpp.
#pragma once

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "evidence/formats/hex.h"
#include "tests/support/seeded_randomness.h"
#include "tests/support/simulated_disk.h"

namespace impound {
namespace simulated {

constexpr std::uint64_t sector = 512;
using NodeId = std::uint64_t;
constexpr NodeId root_node = 1;

/// A change of a file's bytes that no sync has made durable.
struct Change {
  enum class Kind { write, truncate, mode } kind;
  std::uint64_t at = 0;  // offset, new size, or mode
  std::string bytes;
  bool abandoned = false;  // a sync failed: the kernel may call it clean, no later sync saves it
};

struct Node {
  FileFacts::Type type = FileFacts::Type::file;
  std::string bytes;    // as a process sees it
  std::string durable;  // as the platter has it
  std::uint32_t mode = 0600;
  std::uint32_t durable_mode = 0600;
  std::uint32_t owner = SimulatedDisk::owner;
  std::int64_t modified_ns = 0;
  std::vector<Change> changes;
  std::map<std::string, NodeId> names;  // of a folder
  std::map<std::string, NodeId> durable_names;
};

/// A change of names that no folder sync has made durable. A rename is one change over two folders.
struct NameChange {
  enum class Kind { add, remove, rename } kind;
  NodeId folder = 0;  // of `name`; for a rename the target
  std::string name;
  NodeId node = 0;
  NodeId from_folder = 0;  // of a rename
  std::string from_name;
};

struct OpenFile {
  NodeId node = 0;
  bool writes = false;
  bool lease = false;
  std::string path;
};

inline void enact(Change const& change, std::string& bytes, std::uint32_t& mode) {
  switch (change.kind) {
    case Change::Kind::write:
      if (bytes.size() < change.at + change.bytes.size()) bytes.resize(change.at + change.bytes.size());
      bytes.replace(change.at, change.bytes.size(), change.bytes);
      break;
    case Change::Kind::truncate: bytes.resize(change.at); break;
    case Change::Kind::mode: mode = static_cast<std::uint32_t>(change.at); break;
  }
}

/// A write of which only some sectors reach the platter, and perhaps not the new size.
inline void apply_torn(Change const& change, std::string& bytes, SeededRandomness& random) {
  std::size_t const old_size = bytes.size();
  for (std::uint64_t from = change.at; from < change.at + change.bytes.size();) {
    std::uint64_t const to = std::min((from / sector + 1) * sector, change.at + change.bytes.size());
    if (random.coin()) {
      if (bytes.size() < to) bytes.resize(to);
      bytes.replace(from, to - from, change.bytes, from - change.at, to - from);
    }
    from = to;
  }
  if (bytes.size() > old_size && random.coin() && random.coin())
    bytes.resize(old_size);
  else if (random.coin() && bytes.size() < change.at + change.bytes.size())
    bytes.resize(change.at + change.bytes.size());
}

inline void enact(NameChange const& change, std::map<NodeId, Node>& nodes) {
  auto const drop = [&](NodeId folder, std::string const& name) {
    auto& names = nodes[folder].durable_names;
    if (auto found = names.find(name); found != names.end() && found->second == change.node) names.erase(found);
  };
  switch (change.kind) {
    case NameChange::Kind::add: nodes[change.folder].durable_names[change.name] = change.node; break;
    case NameChange::Kind::remove: drop(change.folder, change.name); break;
    case NameChange::Kind::rename:
      drop(change.from_folder, change.from_name);
      nodes[change.folder].durable_names[change.name] = change.node;
      break;
  }
}

inline std::string_view last_of(std::string_view path) {
  auto const slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

inline bool in_objects(std::string_view path) {
  return path.starts_with("objects/") || path.find("/objects/") != path.npos;
}

inline Error failed(int number, std::string what, std::string_view path) {
  return from_errno(number, std::move(what), std::string(path));
}

}  // namespace simulated

using namespace simulated;  // the two files that include this are one class

struct SimulatedDisk::State {
  mutable std::mutex mutex;
  std::map<NodeId, Node> nodes;
  std::vector<NameChange> name_changes;
  std::map<DiskHandle, OpenFile> open;
  std::set<NodeId> written_by_strangers;
  NodeId next_node = root_node + 1;
  DiskHandle next_handle = 1000;  // not a descriptor of the process by accident
  std::int64_t now_ns = 1;
  FaultPlan plan;
  std::size_t steps = 0;
  bool off = false;
  bool failing = false;
  std::vector<std::string> trace;
  std::vector<std::string> accusations;
  Drop drop;
  bool leases = true;
  std::optional<std::uint64_t> capacity;

  State() {
    Node& root = nodes[root_node];
    root.type = FileFacts::Type::folder;
    root.mode = root.durable_mode = 0700;
  }

  /// Everything that outlives a process.
  std::unique_ptr<State> copy() const {
    auto other = std::make_unique<State>();
    other->nodes = nodes;
    other->name_changes = name_changes;
    other->next_node = next_node;
    other->now_ns = now_ns;
    other->drop = drop;
    other->leases = leases;
    other->capacity = capacity;
    other->accusations = accusations;
    return other;
  }

  // --- names
  Result<NodeId> walk(std::string_view path) const {
    NodeId at = root_node;
    while (!path.empty()) {
      auto const slash = path.find('/');
      std::string const name(path.substr(0, slash));
      if (name.empty() || name == ".." || name == ".") return failed(EXDEV, "the path leaves the folder", path);
      Node const& folder = nodes.at(at);
      if (folder.type == FileFacts::Type::other) return failed(ELOOP, "a link on the way", path);
      if (folder.type != FileFacts::Type::folder) return failed(ENOTDIR, "not a folder", path);
      auto const found = folder.names.find(name);
      if (found == folder.names.end()) return failed(ENOENT, "cannot open", path);
      at = found->second;
      path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    }
    return at;
  }
  Result<NodeId> folder_at(std::string_view path) const {
    IMPOUND_TRY(id, walk(path));
    if (nodes.at(id).type != FileFacts::Type::folder) return failed(ENOTDIR, "not a folder", path);
    return id;
  }
  NodeId found(NodeId folder, std::string_view name) const {
    auto const& names = nodes.at(folder).names;
    auto const it = names.find(std::string(name));
    return it == names.end() ? 0 : it->second;
  }
  std::uint64_t links(NodeId id) const {
    std::uint64_t count = 0;
    for (auto const& [folder, node] : nodes)
      for (auto const& [name, target] : node.names) count += target == id;
    return count;
  }
  FileFacts facts(NodeId id) const {
    Node const& node = nodes.at(id);
    FileFacts facts;
    facts.type = node.type;
    facts.size = node.bytes.size();
    facts.links = links(id);
    facts.inode = id;
    facts.mode = node.mode;
    facts.owner = node.owner;
    facts.modified_ns = node.modified_ns;
    return facts;
  }
  void change_names(NameChange change) {
    auto& names = nodes[change.folder].names;
    if (change.kind == NameChange::Kind::remove) names.erase(change.name);
    if (change.kind == NameChange::Kind::rename) nodes[change.from_folder].names.erase(change.from_name);
    if (change.kind != NameChange::Kind::remove) names[change.name] = change.node;
    name_changes.push_back(std::move(change));
  }
  NodeId make(NodeId folder, std::string_view name, FileFacts::Type type) {
    NodeId const id = next_node++;
    Node& node = nodes[id];
    node.type = type;
    node.modified_ns = now_ns++;
    if (type == FileFacts::Type::folder) node.mode = node.durable_mode = 0700;
    change_names({NameChange::Kind::add, folder, std::string(name), id, 0, {}});
    return id;
  }

  // --- bytes
  void change(NodeId id, Change change_made) {
    Node& node = nodes[id];
    enact(change_made, node.bytes, node.mode);
    if (change_made.kind != Change::Kind::mode) node.modified_ns = now_ns++;
    node.changes.push_back(std::move(change_made));
  }
  void make_durable(Node& node) {
    for (Change const& change : node.changes)
      if (!change.abandoned) enact(change, node.durable, node.durable_mode);
    node.changes.clear();
  }
  /// What a failed sync has called clean is read from the platter again; what is dirty still stays.
  void forget_abandoned(Node& node) {
    std::erase_if(node.changes, [](Change const& change) { return change.abandoned; });
    node.bytes = node.durable;
    node.mode = node.durable_mode;
    for (Change const& change : node.changes) enact(change, node.bytes, node.mode);
  }
  void make_names_durable(NodeId folder) {
    std::vector<NameChange> left;
    for (NameChange& change : name_changes) {
      // A journaling file system commits a rename over both folders at once.
      if (change.folder == folder || (change.kind == NameChange::Kind::rename && change.from_folder == folder))
        enact(change, nodes);
      else
        left.push_back(std::move(change));
    }
    name_changes = std::move(left);
  }
  std::uint64_t bytes_used() const {
    std::uint64_t sum = 0;
    for (auto const& [id, node] : nodes) sum += node.bytes.size();
    return sum;
  }
  void accuse(std::string what) { accusations.push_back(std::move(what)); }
  void break_leases(NodeId id) {
    for (auto& [handle, file] : open)
      if (file.node == id) file.lease = false;
  }

  /// One mutating step: counted, and ended as the plan says. `act` must not fail; `lose` is what fail_undone leaves.
  template <class Act, class Lose>
  Result<void> step(std::string what, Act const& act, Lose const& lose) {
    if (off) return failed(EIO, "the power is off", what);
    ++steps;
    trace.push_back(what);
    bool const now = plan.step != 0 && steps == plan.step;
    Fault fault = now ? plan.fault : Fault::none;
    if (failing) fault = Fault::fail_undone;
    if (now && plan.for_good) failing = true;
    switch (fault) {
      case Fault::none: act(); return ok();
      case Fault::cut_after: act(); [[fallthrough]];
      case Fault::cut_before: off = true; return failed(EIO, "the power is off", what);
      case Fault::fail_done: act(); break;
      case Fault::fail_undone: lose(); break;
    }
    return failed(EIO, "the call failed", what);
  }
  template <class Act>
  Result<void> step(std::string what, Act const& act) {
    return step(std::move(what), act, [] {});
  }

  NodeId made_folder(std::string_view path) {
    NodeId at = root_node;
    while (!path.empty()) {
      auto const slash = path.find('/');
      std::string const name(path.substr(0, slash));
      NodeId next = found(at, name);
      if (next == 0) {
        next = make(at, name, FileFacts::Type::folder);
        make_names_durable(at);
      }
      at = next;
      path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    }
    return at;
  }
};

}  // namespace impound
