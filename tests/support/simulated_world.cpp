// The world around a SimulatedDisk: power cuts, kills, strangers that write, and looks at what lies there.
#include "tests/support/simulated_machine.h"

namespace impound {

namespace {

/// A Disk on one folder of a SimulatedDisk.
class Folder final : public Disk {
 public:
  Folder(SimulatedDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  Result<DiskHandle> open(std::string_view path, Open how) override { return disk_.open(at(path), how); }
  void close(DiskHandle file) override { disk_.close(file); }
  Result<std::size_t> read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) override {
    return disk_.read(file, offset, into);
  }
  Result<void> forget_cached(DiskHandle file) override { return disk_.forget_cached(file); }
  Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) override {
    return disk_.write(file, offset, bytes);
  }
  Result<void> truncate(DiskHandle file, std::uint64_t size) override { return disk_.truncate(file, size); }
  Result<void> sync(DiskHandle file) override { return disk_.sync(file); }
  Result<void> sync_folder(std::string_view path) override { return disk_.sync_folder(at(path)); }
  Result<void> sync_everything() override { return disk_.sync_everything(); }
  Result<void> rename(std::string_view from, std::string_view to, Replace replace) override {
    return disk_.rename(at(from), at(to), replace);
  }
  Result<void> remove(std::string_view path) override { return disk_.remove(at(path)); }
  Result<void> remove_folder(std::string_view path) override { return disk_.remove_folder(at(path)); }
  Result<void> make_folder(std::string_view path) override { return disk_.make_folder(at(path)); }
  Result<void> set_mode(DiskHandle file, std::uint32_t mode) override { return disk_.set_mode(file, mode); }
  Result<FileFacts> facts(DiskHandle file) override { return disk_.facts(file); }
  Result<FileFacts> facts_of(std::string_view path) override { return disk_.facts_of(at(path)); }
  Result<std::vector<FolderEntry>> list(std::string_view path, std::size_t entries_max) override {
    return disk_.list(at(path), entries_max);
  }
  Result<std::uint64_t> free_bytes() override { return disk_.free_bytes(); }
  Result<Lease> take_lease(DiskHandle file) override { return disk_.take_lease(file); }
  bool lease_held(DiskHandle file) override { return disk_.lease_held(file); }
  void drop_lease(DiskHandle file) override { disk_.drop_lease(file); }

 private:
  std::string at(std::string_view path) const { return path.empty() ? path_ : path_ + "/" + std::string(path); }
  SimulatedDisk& disk_;
  std::string path_;
};

}  // namespace

SimulatedDisk::SimulatedDisk(FaultPlan plan) : state_(std::make_unique<State>()) { state_->plan = plan; }
SimulatedDisk::SimulatedDisk(std::unique_ptr<State> state) : state_(std::move(state)) {}
SimulatedDisk::SimulatedDisk(SimulatedDisk&&) noexcept = default;
SimulatedDisk::~SimulatedDisk() = default;

std::size_t SimulatedDisk::steps() const { return state_->steps; }
std::vector<std::string> const& SimulatedDisk::trace() const { return state_->trace; }
std::vector<std::string> const& SimulatedDisk::accusations() const { return state_->accusations; }
bool SimulatedDisk::is_off() const { return state_->off; }
void SimulatedDisk::plan(FaultPlan plan) {
  if (plan.step != 0) plan.step += state_->steps;
  state_->plan = plan;
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::after_power_cut(std::uint64_t seed, FaultPlan plan) const {
  auto state = state_->copy();
  state->plan = plan;
  SeededRandomness random(seed);
  auto const survives = [&] { return seed == 1 || (seed != 0 && random.coin()); };
  for (NameChange const& change : std::exchange(state->name_changes, {}))
    if (survives()) enact(change, state->nodes);
  for (auto& [id, node] : state->nodes) {
    for (Change const& change : node.changes) {
      if (seed == 1)
        enact(change, node.durable, node.durable_mode);
      else if (change.kind == Change::Kind::write && seed != 0)
        apply_torn(change, node.durable, random);
      else if (survives())
        enact(change, node.durable, node.durable_mode);
    }
    node.changes.clear();
    node.bytes = node.durable;
    node.mode = node.durable_mode;
    node.names = node.durable_names;
  }
  return std::unique_ptr<SimulatedDisk>(new SimulatedDisk(std::move(state)));
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::after_kill(FaultPlan plan) const {
  auto state = state_->copy();
  state->plan = plan;
  return std::unique_ptr<SimulatedDisk>(new SimulatedDisk(std::move(state)));
}

std::unique_ptr<Disk> SimulatedDisk::folder(std::string path) {
  std::lock_guard const lock(state_->mutex);
  if (!state_->off) state_->made_folder(path);
  return std::make_unique<Folder>(*this, std::move(path));
}

// --- the world outside

void SimulatedDisk::put_file(std::string_view path, std::string_view bytes, std::uint32_t mode,
                             std::uint32_t file_owner) {
  std::lock_guard const lock(state_->mutex);
  NodeId const folder = state_->made_folder(folder_of(path));
  NodeId const id = state_->make(folder, last_of(path), FileFacts::Type::file);
  state_->make_names_durable(folder);
  Node& node = state_->nodes[id];
  node.bytes = node.durable = std::string(bytes);
  node.mode = node.durable_mode = mode;
  node.owner = file_owner;
}
void SimulatedDisk::put_folder(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  state_->made_folder(path);
}
void SimulatedDisk::put_symlink(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  NodeId const folder = state_->made_folder(folder_of(path));
  state_->make(folder, last_of(path), FileFacts::Type::other);
  state_->make_names_durable(folder);
}
void SimulatedDisk::put_link(std::string_view existing, std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  auto const id = state_->walk(existing);
  if (!id) return;
  NodeId const folder = state_->made_folder(folder_of(path));
  state_->change_names({NameChange::Kind::add, folder, std::string(last_of(path)), id.value(), 0, {}});
  state_->make_names_durable(folder);
}
void SimulatedDisk::overwrite(std::string_view path, std::uint64_t offset, std::string_view bytes) {
  std::lock_guard const lock(state_->mutex);
  auto const id = state_->walk(path);
  if (!id) return;
  state_->break_leases(id.value());
  state_->change(id.value(), {Change::Kind::write, offset, std::string(bytes)});
}
void SimulatedDisk::erase(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  auto const folder = state_->walk(folder_of(path));
  if (!folder) return;
  NodeId const id = state_->found(folder.value(), last_of(path));
  if (id == 0) return;
  state_->change_names({NameChange::Kind::remove, folder.value(), std::string(last_of(path)), id, 0, {}});
  state_->make_names_durable(folder.value());
}
bool SimulatedDisk::exists(std::string_view path) const {
  std::lock_guard const lock(state_->mutex);
  return static_cast<bool>(state_->walk(path));
}
std::string SimulatedDisk::content(std::string_view path) const {
  std::lock_guard const lock(state_->mutex);
  auto const id = state_->walk(path);
  return id ? state_->nodes.at(id.value()).bytes : std::string{};
}
std::vector<std::string> SimulatedDisk::files() const {
  std::lock_guard const lock(state_->mutex);
  std::vector<std::string> paths;
  std::vector<std::pair<NodeId, std::string>> folders{{root_node, ""}};
  while (!folders.empty()) {
    auto const [folder, prefix] = folders.back();
    folders.pop_back();
    for (auto const& [name, id] : state_->nodes.at(folder).names) {
      if (state_->nodes.at(id).type == FileFacts::Type::folder)
        folders.emplace_back(id, prefix + name + "/");
      else
        paths.push_back(prefix + name);
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}
std::size_t SimulatedDisk::fingerprint() const {
  std::string all;
  for (std::string const& path : files()) {
    auto const id = state_->walk(path);
    if (!id) continue;
    Node const& node = state_->nodes.at(id.value());
    all += path + '\0' + std::to_string(node.mode) + '\0' + std::to_string(node.bytes.size()) + '\0' + node.bytes;
  }
  return std::hash<std::string>{}(all);
}
void SimulatedDisk::flip_bit(std::string_view path, std::uint64_t bit) {
  std::string bytes = content(path);
  if (bit / 8 >= bytes.size()) return;
  std::lock_guard const lock(state_->mutex);
  auto const id = state_->walk(path);
  if (!id) return;
  Node& node = state_->nodes[id.value()];
  auto const flipped = [&](std::string& in) {
    if (bit / 8 < in.size()) in[bit / 8] = static_cast<char>(in[bit / 8] ^ (1 << (bit % 8)));
  };
  flipped(node.bytes);
  flipped(node.durable);
}
void SimulatedDisk::drop_syncs(Drop drop) { state_->drop = std::move(drop); }
void SimulatedDisk::leases_supported(bool yes) { state_->leases = yes; }
void SimulatedDisk::someone_writes(std::string_view path, bool yes) {
  std::lock_guard const lock(state_->mutex);
  auto const id = state_->walk(path);
  if (!id) return;
  if (!yes)
    state_->written_by_strangers.erase(id.value());
  else
    state_->written_by_strangers.insert(id.value());
  if (yes) state_->break_leases(id.value());
}
void SimulatedDisk::capacity(std::optional<std::uint64_t> bytes) { state_->capacity = bytes; }

}  // namespace impound
