// The calls of a SimulatedDisk: each mutating one is a step of the machine.
#include "tests/support/simulated_machine.h"

namespace impound {

Result<DiskHandle> SimulatedDisk::open(std::string_view path, Open how) {
  std::lock_guard const lock(state_->mutex);
  if (state_->off) return failed(EIO, "the power is off", path);
  IMPOUND_TRY(folder, state_->folder_at(folder_of(path)));
  NodeId id = path.empty() ? root_node : state_->found(folder, last_of(path));
  if (id != 0 && how == Open::create) return failed(EEXIST, "cannot open", path);
  if (id == 0) {
    if (how == Open::read || how == Open::write) return failed(ENOENT, "cannot open", path);
    IMPOUND_CHECK(state_->step("create " + std::string(path), [&, folder = folder] {
      id = state_->make(folder, last_of(path), FileFacts::Type::file);
    }));
  }
  if (state_->nodes[id].type == FileFacts::Type::other) return failed(ELOOP, "cannot open", path);
  if (state_->nodes[id].type == FileFacts::Type::folder && how != Open::read)
    return failed(EISDIR, "cannot open", path);
  bool const writes = how != Open::read;
  if (writes) state_->break_leases(id);
  DiskHandle const handle = state_->next_handle++;
  state_->open[handle] = {id, writes, false, std::string(path)};
  return handle;
}

void SimulatedDisk::close(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  if (state_->open.erase(file) == 0) state_->accuse("a handle that is not open was closed");
}

Result<std::size_t> SimulatedDisk::read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end()) return failed(EBADF, "cannot read", {});
  if (state_->off) return failed(EIO, "the power is off", found->second.path);
  std::string const& bytes = state_->nodes[found->second.node].bytes;
  if (offset >= bytes.size()) return std::size_t{0};
  std::size_t const count = std::min<std::size_t>(into.size(), bytes.size() - offset);
  Bytes const from = bytes_of(std::string_view(bytes).substr(offset, count));
  std::copy(from.begin(), from.end(), into.begin());
  return count;
}

Result<void> SimulatedDisk::forget_cached(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end()) return failed(EBADF, "cannot let go of what is cached", {});
  if (state_->off) return failed(EIO, "the power is off", found->second.path);
  state_->forget_abandoned(state_->nodes[found->second.node]);
  return ok();
}

Result<void> SimulatedDisk::write(DiskHandle file, std::uint64_t offset, Bytes bytes) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end() || !found->second.writes) return failed(EBADF, "cannot write", {});
  OpenFile const& opened = found->second;
  if (in_objects(opened.path) && state_->nodes[opened.node].mode == 0400)
    state_->accuse("a sealed object is written: " + opened.path);
  std::uint64_t const there = state_->nodes[opened.node].bytes.size();
  std::uint64_t const grown = std::max(there, offset + bytes.size()) - there;
  if (state_->capacity && state_->bytes_used() + grown > *state_->capacity)
    return failed(ENOSPC, "cannot write", opened.path);
  return state_->step("write " + opened.path + " " + std::to_string(offset) + "+" + std::to_string(bytes.size()), [&] {
    state_->change(opened.node, {Change::Kind::write, offset, std::string(text_of(bytes))});
  });
}

Result<void> SimulatedDisk::truncate(DiskHandle file, std::uint64_t size) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end() || !found->second.writes) return failed(EBADF, "cannot cut the file", {});
  OpenFile const& opened = found->second;
  if (in_objects(opened.path) && state_->nodes[opened.node].mode == 0400)
    state_->accuse("a sealed object is cut: " + opened.path);
  return state_->step("truncate " + opened.path + " " + std::to_string(size), [&] {
    state_->change(opened.node, {Change::Kind::truncate, size, {}});
  });
}

Result<void> SimulatedDisk::reserve(DiskHandle file, std::uint64_t size) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end() || !found->second.writes) return failed(EBADF, "cannot take room", {});
  OpenFile const& opened = found->second;
  std::uint64_t const there = state_->nodes[opened.node].bytes.size();
  if (there >= size) return ok();
  if (state_->capacity && state_->bytes_used() + size - there > *state_->capacity)
    return failed(ENOSPC, "cannot take room", opened.path);
  return state_->step("reserve " + opened.path + " " + std::to_string(size), [&] {
    state_->change(opened.node, {Change::Kind::truncate, size, {}});
  });
}

Result<void> SimulatedDisk::sync(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end()) return failed(EBADF, "cannot sync", {});
  Node& node = state_->nodes[found->second.node];
  std::string const path = found->second.path;
  return state_->step(
      "sync " + path,
      [&] {
        if (state_->drop && state_->drop("sync", path)) return;
        state_->make_durable(node);
      },
      [&] {
        for (Change& change : node.changes) change.abandoned = true;
      });
}

Result<void> SimulatedDisk::sync_folder(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  IMPOUND_TRY(folder, state_->folder_at(path));
  return state_->step("sync_folder " + std::string(path), [&, folder = folder] {
    if (!(state_->drop && state_->drop("sync_folder", path))) state_->make_names_durable(folder);
  });
}

Result<void> SimulatedDisk::sync_everything() {
  std::lock_guard const lock(state_->mutex);
  return state_->step(
      "sync_everything",
      [&] {
        if (state_->drop && state_->drop("sync_everything", "")) return;
        for (auto& [id, node] : state_->nodes) state_->make_durable(node);
        for (NameChange const& change : std::exchange(state_->name_changes, {})) enact(change, state_->nodes);
      },
      [&] {
        for (auto& [id, node] : state_->nodes)
          for (Change& change : node.changes) change.abandoned = true;
      });
}

Result<void> SimulatedDisk::rename(std::string_view from, std::string_view to, Replace replace) {
  std::lock_guard const lock(state_->mutex);
  IMPOUND_TRY(from_folder, state_->folder_at(folder_of(from)));
  IMPOUND_TRY(to_folder, state_->folder_at(folder_of(to)));
  NodeId const id = state_->found(from_folder, last_of(from));
  NodeId const there = state_->found(to_folder, last_of(to));
  if (id == 0) return failed(ENOENT, "cannot rename " + std::string(from), to);
  if (there != 0 && replace == Replace::no) return failed(EEXIST, "cannot rename " + std::string(from), to);
  if (there == id) return ok();  // two names of one file: rename(2) does nothing
  bool const folder = state_->nodes[id].type == FileFacts::Type::folder;
  if (there != 0 && folder && !state_->nodes[there].names.empty()) return failed(ENOTEMPTY, "cannot rename", to);
  if (in_objects(to)) {
    auto const& changes = state_->nodes[id].changes;
    bool const unsynced =
        std::any_of(changes.begin(), changes.end(), [](Change const& c) { return c.kind != Change::Kind::mode; });
    if (unsynced) state_->accuse("an unsynced file is renamed into objects/: " + std::string(from));
    if (there != 0) state_->accuse("an object is replaced: " + std::string(to));
  }
  return state_->step("rename " + std::string(from) + " " + std::string(to),
                      [&, from_folder = from_folder, to_folder = to_folder] {
                        state_->change_names({NameChange::Kind::rename, to_folder, std::string(last_of(to)), id,
                                              from_folder, std::string(last_of(from))});
                        for (auto& [handle, file] : state_->open)
                          if (file.node == id) file.path = std::string(to);
                      });
}

Result<void> SimulatedDisk::remove(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  if (state_->off) return failed(EIO, "the power is off", path);
  IMPOUND_TRY(folder, state_->folder_at(folder_of(path)));
  NodeId const id = state_->found(folder, last_of(path));
  if (id == 0) return failed(ENOENT, "cannot remove", path);
  if (state_->nodes[id].type == FileFacts::Type::folder) return failed(EISDIR, "cannot remove", path);
  return state_->step("remove " + std::string(path), [&, folder = folder] {
    state_->change_names({NameChange::Kind::remove, folder, std::string(last_of(path)), id, 0, {}});
  });
}

Result<void> SimulatedDisk::remove_folder(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  IMPOUND_TRY(folder, state_->folder_at(folder_of(path)));
  IMPOUND_TRY(id, state_->folder_at(path));
  if (!state_->nodes[id].names.empty()) return failed(ENOTEMPTY, "cannot remove the folder", path);
  return state_->step("remove_folder " + std::string(path), [&, folder = folder, id = id] {
    state_->change_names({NameChange::Kind::remove, folder, std::string(last_of(path)), id, 0, {}});
  });
}

Result<void> SimulatedDisk::make_folder(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  if (state_->off) return failed(EIO, "the power is off", path);
  IMPOUND_TRY(folder, state_->folder_at(folder_of(path)));
  if (path.empty() || state_->found(folder, last_of(path)) != 0) return failed(EEXIST, "cannot make the folder", path);
  return state_->step("make_folder " + std::string(path),
                      [&, folder = folder] { state_->make(folder, last_of(path), FileFacts::Type::folder); });
}

Result<void> SimulatedDisk::set_mode(DiskHandle file, std::uint32_t mode) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end()) return failed(EBADF, "cannot change the mode", {});
  return state_->step("set_mode " + found->second.path, [&] {
    state_->change(found->second.node, {Change::Kind::mode, mode, {}});
  });
}

Result<FileFacts> SimulatedDisk::facts(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end()) return failed(EBADF, "cannot look at the file", {});
  return state_->facts(found->second.node);
}

Result<FileFacts> SimulatedDisk::facts_of(std::string_view path) {
  std::lock_guard const lock(state_->mutex);
  if (state_->off) return failed(EIO, "the power is off", path);
  IMPOUND_TRY(id, state_->walk(path));
  return state_->facts(id);
}

Result<std::vector<FolderEntry>> SimulatedDisk::list(std::string_view path, std::size_t entries_max) {
  std::lock_guard const lock(state_->mutex);
  if (state_->off) return failed(EIO, "the power is off", path);
  IMPOUND_TRY(folder, state_->folder_at(path));
  std::vector<FolderEntry> entries;
  for (auto const& [name, id] : state_->nodes[folder].names) {
    if (entries.size() == entries_max)
      return Error{Code::refused, "too many names in the folder", std::string(path), {}};
    entries.push_back({name, state_->nodes[id].type});
  }
  return entries;
}

Result<std::uint64_t> SimulatedDisk::free_bytes() {
  std::lock_guard const lock(state_->mutex);
  if (!state_->capacity) return std::uint64_t{1} << 40;
  std::uint64_t const used = state_->bytes_used();
  return used > *state_->capacity ? 0 : *state_->capacity - used;
}

Result<Lease> SimulatedDisk::take_lease(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  if (found == state_->open.end()) return failed(EBADF, "cannot take a lease", {});
  if (!state_->leases) return Lease::unsupported;
  NodeId const id = found->second.node;
  bool busy = state_->written_by_strangers.contains(id);
  for (auto const& [handle, other] : state_->open) busy = busy || (other.node == id && other.writes);
  if (busy) return Lease::busy;
  found->second.lease = true;
  return Lease::taken;
}

bool SimulatedDisk::lease_held(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  auto const found = state_->open.find(file);
  return found != state_->open.end() && found->second.lease;
}

void SimulatedDisk::drop_lease(DiskHandle file) {
  std::lock_guard const lock(state_->mutex);
  if (auto const found = state_->open.find(file); found != state_->open.end()) found->second.lease = false;
}

}  // namespace impound
