#include "fetchers/torrents/worker/disk/file_table.h"

#include <cstdio>
#include <utility>

namespace impound::fetchers {

std::string numbered_file(std::size_t index) {
  char name[24];
  std::snprintf(name, sizeof name, "%06zu", index);
  return name;
}

FileTable::Opened const* FileTable::find(std::size_t file) {
  auto const found = by_file_.find(file);
  if (found == by_file_.end()) return nullptr;
  open_.splice(open_.begin(), open_, found->second);
  return &open_.front();
}

DiskHandle FileTable::keep(std::size_t file, bool to_write, DiskFile opened) {
  open_.push_front({file, to_write, std::move(opened)});
  by_file_[file] = open_.begin();
  if (open_.size() > limits_.open_max) {
    by_file_.erase(open_.back().file);
    open_.pop_back();
  }
  return open_.front().at.handle();
}

Result<DiskHandle> FileTable::open_to_read(std::size_t file) {
  if (auto const* const there = find(file)) return there->at.handle();
  IMPOUND_TRY(opened, DiskFile::open(disk_, path(file), Open::read));
  return keep(file, false, std::move(opened));
}

Result<DiskHandle> FileTable::open_to_write(std::size_t file, std::uint64_t size) {
  if (auto const* const there = find(file); there != nullptr && there->to_write) return there->at.handle();
  let_go(file);
  auto opened = DiskFile::open(disk_, path(file), Open::write);
  if (!opened) {
    if (opened.error().code != Code::not_found) return std::move(opened).error();
    auto made = DiskFile::open(disk_, path(file), Open::create);
    if (!made) return std::move(made).error();
    names_unsynced_ = true;
    opened = std::move(made);
  }
  // Each time, as the process may have died, or found no room, between the file's making and this.
  if (size >= limits_.reserve_from_bytes) IMPOUND_CHECK(disk_.reserve(opened.value().handle(), size));
  return keep(file, true, std::move(opened).value());
}

Result<void> FileTable::write(std::size_t file, std::uint64_t size, std::uint64_t offset, Bytes bytes) {
  IMPOUND_TRY(handle, open_to_write(file, size));
  unsynced_.insert(file);
  return disk_.write(handle, offset, bytes);
}

Result<void> FileTable::read(std::size_t file, std::uint64_t offset, std::span<std::byte> into) {
  IMPOUND_TRY(handle, open_to_read(file));
  while (!into.empty()) {
    IMPOUND_TRY(count, disk_.read(handle, offset, into));
    if (count == 0) return Error{Code::not_found, "the file ends early", path(file), {}};
    offset += count;
    into = into.subspan(count);
  }
  return ok();
}

std::optional<std::uint64_t> FileTable::size_of(std::size_t file) {
  auto const facts = disk_.facts_of(path(file));
  if (!facts || facts.value().type != FileFacts::Type::file) return std::nullopt;
  return facts.value().size;
}

void FileTable::forget_cached(std::size_t file) {
  // What cannot be opened cannot be read either, which its reader says.
  if (auto opened = DiskFile::open(disk_, path(file), Open::read)) (void)opened.value().forget_cached();
}

FileTable::Unsynced FileTable::take_unsynced() {
  Unsynced all{{unsynced_.begin(), unsynced_.end()}, names_unsynced_};
  unsynced_.clear();
  names_unsynced_ = false;
  return all;
}

void FileTable::let_go(std::size_t file) {
  auto const found = by_file_.find(file);
  if (found == by_file_.end()) return;
  open_.erase(found->second);
  by_file_.erase(found);
}

void FileTable::close_all() {
  by_file_.clear();
  open_.clear();
}

}  // namespace impound::fetchers
